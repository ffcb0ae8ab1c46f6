// The readers of what platforms answer: an answer as text, its status, Retry-After and X-WNS-Status
// each on a line of its own, then the body. Others say what their lines are.
#include <algorithm>
#include <charconv>

#include "providers/apns/apns_channel.h"
#include "providers/apns/apns_verdict.h"
#include "providers/auth/oauth_answer.h"
#include "providers/fcm/fcm_verdict.h"
#include "providers/retry_after.h"
#include "providers/webpush/webpush_verdict.h"
#include "tests/fuzz/target.h"

namespace carillon::fuzz {
namespace {

using push::Answer;
using push::Verdict;
using push::VerdictKind;

const std::chrono::system_clock::time_point kAnswerTime{std::chrono::seconds(1'763'700'000)};

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

Answer read_answer(Bytes input) {
  std::string_view text = text_of(input);
  const std::string_view status = take_line(text);
  Answer answer;
  std::from_chars(status.data(), status.data() + status.size(), answer.status);
  answer.retry_after = take_line(text);
  answer.wns_status = take_line(text);
  answer.body = text;
  return answer;
}

void check_verdict(const Answer& answer, const Verdict& verdict) {
  expect(verdict.status == answer.status, "a verdict has the status of its answer");
  expect(verdict.reason.size() <= push::kReasonBytesMax &&
             std::all_of(verdict.reason.begin(), verdict.reason.end(),
                         [](char c) { return c >= ' ' && c <= '~'; }),
         "a reason is short and printable");
  expect(verdict.retry_after.count() >= -1 && verdict.retry_after <= push::kRetryAfterMax,
         "nobody is told to wait longer than a day");
  expect(verdict.since_ms.count() < 0 || verdict.kind == VerdictKind::kTokenDead,
         "only a dead token has a time of death");
}

}  // namespace

void try_apns_verdict(Bytes input) {
  const Answer answer = read_answer(input);
  const auto judgement = push::judge_apns(answer, kAnswerTime);
  check_verdict(answer, judgement.verdict);
  expect(judgement.verdict.kind != VerdictKind::kAccepted, "only a plain 200 is a yes");
  expect(judgement.verdict.kind != VerdictKind::kTokenDead || answer.status == 410,
         "only 410 kills a token");
}

// What was asked for, as a digit, the status, and the headers apns-channel-id and apns-request-id,
// each on a line of its own, then the body.
void try_apns_channel_reply(Bytes input) {
  using Asked = push::ChannelRequest::Kind;
  using Kind = push::ChannelAnswer::Kind;
  std::string_view text = text_of(input);
  const std::string_view asked_text = take_line(text);
  unsigned asked_number = 0;
  std::from_chars(asked_text.data(), asked_text.data() + asked_text.size(), asked_number);
  const auto asked = static_cast<Asked>(asked_number % 5);
  push::ApnsChannelReply reply;
  const std::string_view status = take_line(text);
  std::from_chars(status.data(), status.data() + status.size(), reply.status);
  reply.channel_id = take_line(text);
  reply.request_id = take_line(text);
  reply.body = text;

  const push::ChannelAnswer answer = push::read_apns_channel_reply(asked, reply);
  const bool done = answer.kind == Kind::kDone;
  expect(answer.status == reply.status, "an answer has the status of its reply");
  expect(!done || reply.status / 100 == 2, "only 2xx is a yes");
  expect(answer.kind != Kind::kUnanswered && answer.kind != Kind::kUnsupported,
         "what was answered is neither unanswered nor unsupported");
  expect(!done || answer.reason.empty(), "what is done has no reason");
  for (const std::string* word : {&answer.reason, &answer.request_id}) {
    expect(word->size() <= push::kReasonBytesMax &&
               std::all_of(word->begin(), word->end(), [](char c) { return c >= ' ' && c <= '~'; }),
           "a reason and a request's id are short and printable");
  }
  expect(answer.channel.empty() != (done && asked == Asked::kCreate),
         "a channel that was made is named, and nothing else is");
  expect(answer.channel.empty() || push::is_apns_channel_id(answer.channel),
         "a channel's id may stand in a header and in a URL's answer");
  expect(answer.channels.empty() || (done && asked == Asked::kList), "only a list has channels");
  for (const std::string& id : answer.channels) {
    expect(push::is_apns_channel_id(id), "each id of a list may stand in a header");
  }
}

void try_fcm_verdict(Bytes input) {
  const Answer answer = read_answer(input);
  const auto judgement = push::judge_fcm(answer, kAnswerTime);
  check_verdict(answer, judgement.verdict);
  expect(judgement.verdict.kind != VerdictKind::kAccepted, "only a plain 200 is a yes");
  // With an escape in it the word may be written otherwise.
  expect(judgement.verdict.kind != VerdictKind::kTokenDead ||
             answer.body.find("UNREGISTERED") != std::string_view::npos ||
             answer.body.find('\\') != std::string_view::npos,
         "only UNREGISTERED kills a token");
}

void try_webpush_verdict(Bytes input) {
  const Answer answer = read_answer(input);
  const auto judgement = push::judge_webpush(answer, kAnswerTime);
  check_verdict(answer, judgement.verdict);
  expect(judgement.verdict.kind != VerdictKind::kAccepted || answer.status / 100 == 2,
         "only 2xx is a yes");
  expect((judgement.verdict.kind == VerdictKind::kTokenDead) ==
             (answer.status == 404 || answer.status == 410),
         "404 and 410 kill a token, nothing else");
}

// The status on a line of its own, then the body.
void try_oauth_answer(Bytes input) {
  std::string_view text = text_of(input);
  const std::string_view status_text = take_line(text);
  std::uint16_t status = 0;
  std::from_chars(status_text.data(), status_text.data() + status_text.size(), status);
  const auto answer = push::auth::read_oauth_answer(status, text);
  expect(answer.token.empty() != answer.error.empty(), "there is a token, or a reason why not");
  expect(answer.token.empty() || status == 200, "only 200 brings a token");
  expect(answer.life >= push::auth::kOauthLifeMin && answer.life <= push::auth::kOauthLifeMax,
         "a token lives a minute to an hour");
  for (const char c : answer.token) expect(c > ' ' && c <= '~', "a token may stand in a header");
  for (const char c : answer.error) expect(c >= ' ' && c <= '~', "an error is printable");
}

}  // namespace carillon::fuzz
