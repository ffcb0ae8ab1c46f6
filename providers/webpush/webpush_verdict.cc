#include "providers/webpush/webpush_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "providers/reason.h"
#include "providers/retry_after.h"

namespace carillon::push {
namespace {

using Kind = VerdictKind;

struct StatusRow {
  std::uint16_t status;
  Kind kind;
  WebPushAdvice advice = WebPushAdvice::kNone;
};

// RFC 8030, 5 and 8.4; RFC 8292, 4.2. Everything else by its hundreds.
constexpr StatusRow kStatusRows[] = {
    {401, Kind::kCredentialRefused, WebPushAdvice::kVapidRefused},
    {403, Kind::kCredentialRefused, WebPushAdvice::kVapidRefused},
    {404, Kind::kTokenDead},
    {406, Kind::kThrottled},  // Windows
    {408, Kind::kUnavailable},
    {410, Kind::kTokenDead},
    {413, Kind::kNotificationRefused},
    {421, Kind::kNotSent},  // RFC 9110, 15.5.20: not processed, another connection may do
    {429, Kind::kThrottled},
};

struct WordRow {
  std::string_view word;
  Kind kind;
  WebPushAdvice advice = WebPushAdvice::kNone;
};

// Apple's reasons, Mozilla's errno and what Firebase says in plain text, where they say more than
// the status. Apple, "Sending web push notifications in web apps and browsers"; Mozilla,
// "Autopush: error codes".
constexpr WordRow kWordRows[] = {
    {"BadAuthorizationHeader", Kind::kCredentialRefused, WebPushAdvice::kVapidRefused},
    {"BadJwtToken", Kind::kCredentialRefused, WebPushAdvice::kVapidRefused},
    {"BadVapidPublicKey", Kind::kCredentialRefused, WebPushAdvice::kVapidRefused},
    {"Errno109", Kind::kCredentialRefused, WebPushAdvice::kVapidRefused},
    {"IdleTimeout", Kind::kNotSent},
    {"TooManyRequests", Kind::kThrottled},
    // The subscription was made with another key: that is about this device.
    {"UnauthorizedRegistration", Kind::kTokenUnusable},
    {"MismatchSenderId", Kind::kTokenUnusable},
    {"VapidPkHashMismatch", Kind::kTokenUnusable},
};

// What Firebase writes into its pages of text, and the word that we make of it.
constexpr std::pair<std::string_view, std::string_view> kTextWords[] = {
    {"UnauthorizedRegistration", "UnauthorizedRegistration"},
    {"MismatchSenderId", "MismatchSenderId"},
    {"MessageTooBig", "MessageTooBig"},
    {"do not correspond to the credentials used to create the subscription", "VapidPkHashMismatch"},
};

StatusRow row_of_status(std::uint16_t status) {
  const auto known = std::find_if(std::begin(kStatusRows), std::end(kStatusRows),
                                  [&](const StatusRow& row) { return row.status == status; });
  if (known != std::end(kStatusRows)) return *known;
  if (status >= 500) return {status, Kind::kUnavailable};
  if (status >= 400) return {status, Kind::kNotificationRefused};
  // Redirects are not followed: a message is encrypted for one service's subscriber, and where to
  // send is not for an answer to say. One that is gone tomorrow is not the device's fault.
  if (status >= 300) return {status, Kind::kUnavailable};
  return {status, status >= 200 ? Kind::kAccepted : Kind::kUnanswered};
}

std::string word_of(const Answer& answer) {
  const auto document = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (document.is_object()) {
    const auto reason = document.find("reason");
    if (reason != document.end() && reason->is_string()) {
      return reason_of(reason->get_ref<const std::string&>());
    }
    const auto number = document.find("errno");
    if (number != document.end() && number->is_number_unsigned()) {
      return fmt::format("Errno{}", number->get<std::uint32_t>());
    }
  } else {
    for (const auto& [text, word] : kTextWords) {
      if (answer.body.find(text) != std::string_view::npos) return std::string(word);
    }
  }
  return {};
}

// Windows says yes with 200 or 201 even if nothing is going to be delivered (X-WNS-Status).
bool judge_windows(const Answer& answer, Verdict& verdict) {
  if (answer.wns_status == "channelthrottled") {
    verdict.kind = Kind::kThrottled;
    verdict.scope = ThrottleScope::kDevice;
  } else if (answer.wns_status == "dropped") {
    verdict.kind = Kind::kNotificationRefused;
  } else {
    return false;
  }
  verdict.reason = reason_of(answer.wns_status);
  return true;
}

}  // namespace

WebPushJudgement judge_webpush(const Answer& answer, std::chrono::system_clock::time_point now) {
  const StatusRow row = row_of_status(answer.status);
  WebPushJudgement judgement{.verdict = {}, .advice = row.advice};
  Verdict& verdict = judgement.verdict;
  verdict.status = answer.status;
  verdict.kind = row.kind;
  if (row.kind == Kind::kAccepted) {
    if (!answer.wns_status.empty() && judge_windows(answer, verdict)) {
      verdict.retry_after = parse_retry_after(answer.retry_after, now);
    }
    return judgement;
  }
  verdict.retry_after = parse_retry_after(answer.retry_after, now);
  verdict.reason = word_of(answer);
  if (row.kind != Kind::kTokenDead && answer.status < 500) {
    const auto known =
        std::find_if(std::begin(kWordRows), std::end(kWordRows),
                     [&](const WordRow& word) { return word.word == verdict.reason; });
    if (known != std::end(kWordRows)) {
      verdict.kind = known->kind;
      judgement.advice = known->advice;
    }
  }
  // A subscription's own limit, as Windows and Mozilla have it, or the sender's: nobody says which.
  if (answer.status == 406) verdict.scope = ThrottleScope::kDevice;
  if (verdict.reason.empty()) verdict.reason = fmt::format("Status{}", answer.status);
  return judgement;
}

}  // namespace carillon::push
