#include "providers/fcm/fcm_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "providers/question.h"
#include "providers/reason.h"
#include "providers/retry_after.h"

namespace carillon::push {
namespace {

using nlohmann::json;
using Kind = VerdictKind;

// What of the body matters. Everything is optional: a 502 comes as HTML, a 400 without details.
struct ErrorBody {
  std::string status;       // google.rpc.Code: "INVALID_ARGUMENT"
  std::string error_code;   // FcmError: "UNREGISTERED"
  std::string apns_reason;  // ApnsError: what Apple said to FCM, "BadDeviceToken"
  std::string text;         // all messages and descriptions, lower case
  ThrottleScope subject = ThrottleScope::kNone;  // of the first violation that names one of ours
  bool blames_token = false;
};

struct ErrorRow {
  std::string_view error_code;
  Kind kind;
};

// By FcmError. The credential of THIRD_PARTY_AUTH_ERROR is the project's own for Apple or for Web
// Push, not the one we call with: only messages to such devices fail, until someone mends it there.
constexpr ErrorRow kErrorRows[] = {
    {"APNS_AUTH_ERROR", Kind::kNotificationRefused},  // the older name of the next
    {"THIRD_PARTY_AUTH_ERROR", Kind::kNotificationRefused},
    {"INTERNAL", Kind::kUnavailable},
    {"INVALID_ARGUMENT", Kind::kNotificationRefused},  // but see blames_token
    {"QUOTA_EXCEEDED", Kind::kThrottled},
    {"SENDER_ID_MISMATCH", Kind::kTokenUnusable},  // a token of another project
    {"UNAVAILABLE", Kind::kUnavailable},
    {"UNREGISTERED", Kind::kTokenDead},
    {"UNSPECIFIED_ERROR", Kind::kNotificationRefused},
};

Kind kind_of_http_status(std::uint16_t status) {
  if (status >= 500) return Kind::kUnavailable;
  if (status == 429) return Kind::kThrottled;
  if (status == 401) return Kind::kNotSent;            // a new access token may do
  if (status == 403) return Kind::kCredentialRefused;  // the account may not send here
  if (status == 404) return Kind::kCredentialRefused;  // no such project
  if (status >= 400) return Kind::kNotificationRefused;
  return Kind::kUnanswered;  // FCM has no such answer
}

void append_lower(std::string& text, std::string_view more) {
  for (const char c : more) text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  text += '\n';
}

std::string text_member(const json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

// A quota's subject is "project:<id>" (QuotaFailure in google/rpc/error_details.proto):
// what stands before the colon tells, as an id may be any word.
ThrottleScope scope_of_subject(std::string_view subject) {
  if (subject.starts_with("project")) return ThrottleScope::kProject;
  if (subject.starts_with("device:") || subject.starts_with("token:"))
    return ThrottleScope::kDevice;
  if (subject.starts_with("topic:")) return ThrottleScope::kTopic;
  return ThrottleScope::kNone;
}

void read_detail(const json& detail, ErrorBody& body) {
  if (!detail.is_object()) return;
  // By its type where it names one: other details have an errorCode as well, ApnsError a reason.
  const std::string type = text_member(detail, "@type");
  if (type.ends_with(".FcmError")) body.error_code = text_member(detail, "errorCode");
  if (type.ends_with(".ApnsError")) body.apns_reason = text_member(detail, "reason");
  for (const char* list : {"fieldViolations", "violations"}) {
    const auto violations = detail.find(list);
    if (violations == detail.end() || !violations->is_array()) continue;
    for (const json& violation : *violations) {
      if (!violation.is_object()) continue;
      if (text_member(violation, "field") == "message.token") body.blames_token = true;
      const std::string subject = text_member(violation, "subject");
      const ThrottleScope scope = scope_of_subject(subject);
      if (body.subject == ThrottleScope::kNone) body.subject = scope;
      if (scope == ThrottleScope::kNone) append_lower(body.text, subject);
      append_lower(body.text, text_member(violation, "description"));
    }
  }
}

ErrorBody read_body(std::string_view text) {
  ErrorBody body;
  const auto document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return body;
  const auto error = document.find("error");
  if (error == document.end() || !error->is_object()) return body;
  body.status = text_member(*error, "status");
  append_lower(body.text, text_member(*error, "message"));
  const auto details = error->find("details");
  if (details != error->end() && details->is_array()) {
    for (const json& detail : *details) read_detail(detail, body);
  }
  // As recorded from the service when the token is malformed and no field is named.
  if (body.text.find("registration token is not a valid") != std::string::npos) {
    body.blames_token = true;
  }
  return body;
}

// Without what stands in quotes: ids, which may be any word.
std::string without_names(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = (text[i] == '\'' || text[i] == '"') && (i == 0 || text[i - 1] == ' ');
    const std::size_t end = begins ? text.find(text[i], i + 1) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[i];
    } else {
      i = end;
    }
  }
  return out;
}

// One error code stands for three budgets; only the subject, or else the words, tell which is
// spent.
ThrottleScope scope_of(const ErrorBody& body) {
  if (body.subject != ThrottleScope::kNone) return body.subject;
  // "... for consumer 'project:<id>'"
  if (body.text.find("consumer 'project") != std::string::npos) return ThrottleScope::kProject;
  const std::string text = without_names(body.text);
  const auto says = [&text](std::string_view word) { return text.find(word) != std::string::npos; };
  if (says("device")) return ThrottleScope::kDevice;
  if (says("topic")) return ThrottleScope::kTopic;
  if (says("project")) return ThrottleScope::kProject;
  return ThrottleScope::kNone;
}

}  // namespace

PlatformWord fcm_word_on_us(const Verdict& verdict) {
  PlatformWord word{.text = word_of(verdict)};
  switch (verdict.kind) {
    case Kind::kAccepted:
    case Kind::kTokenDead:
    case Kind::kTokenUnusable:
    case Kind::kThrottled:
    case Kind::kNotificationRefused:
      word.kind = PlatformWord::Kind::kGood;
      break;
    case Kind::kCredentialRefused:
      word.kind = PlatformWord::Kind::kRefused;
      break;
    case Kind::kUnavailable:
    case Kind::kNotSent:
    case Kind::kUnanswered:
      break;
  }
  return word;
}

PlatformWord fcm_word_on_message(const Verdict& verdict) {
  PlatformWord word{.text = word_of(verdict)};
  if (verdict.kind == Kind::kAccepted) word.kind = PlatformWord::Kind::kGood;
  if (verdict.kind == Kind::kNotificationRefused) word.kind = PlatformWord::Kind::kRefused;
  return word;
}

FcmJudgement judge_fcm(const Answer& answer, std::chrono::system_clock::time_point now) {
  const ErrorBody body = read_body(answer.body);
  FcmJudgement judgement;
  Verdict& verdict = judgement.verdict;
  verdict.status = answer.status;
  verdict.retry_after = parse_retry_after(answer.retry_after, now);
  verdict.kind = kind_of_http_status(answer.status);
  if (body.error_code.empty()) {
    if (answer.status == 401) judgement.advice = FcmAdvice::kRefreshToken;
    verdict.reason =
        body.status.empty() ? fmt::format("Status{}", answer.status) : reason_of(body.status);
  } else {
    verdict.reason = reason_of(body.error_code);
    const auto known =
        std::find_if(std::begin(kErrorRows), std::end(kErrorRows),
                     [&](const ErrorRow& row) { return row.error_code == body.error_code; });
    if (known != std::end(kErrorRows)) {
      verdict.kind = known->kind;
    } else if (answer.status == 401 || answer.status == 403 || answer.status == 404) {
      // About this message, in a word that is not ours to guess: not about our credential.
      verdict.kind = Kind::kNotificationRefused;
    }
  }
  // For people: what is judged by is FCM's word.
  if (!body.apns_reason.empty()) {
    verdict.reason = reason_of(fmt::format("{}:{}", verdict.reason, body.apns_reason));
  }
  const bool about_arguments = verdict.kind == Kind::kNotificationRefused && answer.status == 400;
  if (about_arguments && body.blames_token) verdict.kind = Kind::kTokenUnusable;
  if (verdict.kind == Kind::kThrottled) verdict.scope = scope_of(body);
  return judgement;
}

}  // namespace carillon::push
