#include "providers/apns/apns_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "providers/question.h"
#include "providers/reason.h"
#include "providers/retry_after.h"

namespace carillon::push {
namespace {

using Kind = VerdictKind;
using Scope = ThrottleScope;
using Advice = ApnsAdvice;

struct Row {
  std::string_view reason;
  Kind kind;
  Scope scope = Scope::kNone;
  Advice advice = Advice::kNone;
};

// Apple's reasons, by the status they come with. What is said of the topic, the key or the
// certificate is true of every notification, so the credential is what is refused.
constexpr Row kRows[] = {
    // 400
    {"BadCollapseId", Kind::kNotificationRefused},
    {"BadDeviceToken", Kind::kTokenUnusable},
    {"BadExpirationDate", Kind::kNotificationRefused},
    {"BadMessageId", Kind::kNotificationRefused},
    {"BadPriority", Kind::kNotificationRefused},
    {"BadTopic", Kind::kCredentialRefused},
    {"DeviceTokenNotForTopic", Kind::kTokenUnusable},
    {"DuplicateHeaders", Kind::kNotificationRefused},
    {"IdleTimeout", Kind::kNotSent, Scope::kNone, Advice::kRetireConnection},
    {"InvalidPushType", Kind::kNotificationRefused},
    {"MissingDeviceToken", Kind::kTokenUnusable},
    {"MissingTopic", Kind::kCredentialRefused},
    {"PayloadEmpty", Kind::kNotificationRefused},
    {"TopicDisallowed", Kind::kCredentialRefused},
    // 400 of broadcast channels
    {"BadChannelId", Kind::kNotificationRefused},
    {"BadRequestParams", Kind::kNotificationRefused},
    {"BadRequestPayload", Kind::kNotificationRefused},
    {"CannotCreateChannelConfig", Kind::kNotificationRefused},
    {"ChannelNotRegistered", Kind::kNotificationRefused},
    {"FeatureNotEnabled", Kind::kNotificationRefused},
    {"MissingChannelId", Kind::kNotificationRefused},
    {"MissingPushType", Kind::kNotificationRefused},
    // 403: the connection has been judged with the credential that it brought first
    {"BadCertificate", Kind::kCredentialRefused, Scope::kNone, Advice::kRetireConnection},
    {"BadCertificateEnvironment", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},
    {"BadEnvironmentKeyIdInToken", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},  // as documented
    {"BadEnvironmentKeyInToken", Kind::kCredentialRefused, Scope::kNone,
     Advice::kRetireConnection},  // as sent
    {"ExpiredProviderToken", Kind::kNotSent, Scope::kNone, Advice::kRenewToken},
    {"Forbidden", Kind::kCredentialRefused, Scope::kNone, Advice::kRetireConnection},
    {"InvalidProviderToken", Kind::kCredentialRefused, Scope::kNone, Advice::kRetireConnection},
    {"MissingProviderToken", Kind::kCredentialRefused, Scope::kNone, Advice::kRetireConnection},
    {"TopicMismatch", Kind::kCredentialRefused},  // of broadcast channels
    {"UnrelatedKeyIdInToken", Kind::kCredentialRefused, Scope::kNone, Advice::kRetireConnection},
    // 404, 405, 413
    {"BadPath", Kind::kNotificationRefused},
    {"MethodNotAllowed", Kind::kNotificationRefused},
    {"PayloadTooLarge", Kind::kNotificationRefused},
    // 410
    {"ExpiredToken", Kind::kTokenDead},
    {"Unregistered", Kind::kTokenDead},
    // 429
    {"TooManyProviderTokenUpdates", Kind::kThrottled, Scope::kCredential,
     Advice::kRetireConnection},
    {"TooManyRequests", Kind::kThrottled, Scope::kDevice},
    // 500, 503
    {"InternalServerError", Kind::kUnavailable},
    {"ServiceUnavailable", Kind::kUnavailable},
    {"Shutdown", Kind::kUnavailable},  // a GOAWAY tells the connection
};

bool is_about_topic(std::string_view reason) {
  return reason == "BadTopic" || reason == "MissingTopic" || reason == "TopicDisallowed";
}

Kind kind_of_status(std::uint16_t status) {
  if (status >= 500) return Kind::kUnavailable;
  if (status == 429) return Kind::kThrottled;
  if (status == 403) return Kind::kCredentialRefused;
  if (status == 410) return Kind::kTokenUnusable;  // about the token, but not a word we know
  if (status >= 400) return Kind::kNotificationRefused;
  return Kind::kUnanswered;  // APNs has no such answer: whoever gave it may have passed it on or
                             // not
}

}  // namespace

ApnsJudgement judge_apns(const Answer& answer, std::chrono::system_clock::time_point now,
                         ApnsTopic topic) {
  std::string reason;
  std::chrono::milliseconds since{-1};
  const auto body = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (body.is_object()) {
    const auto word = body.find("reason");
    if (word != body.end() && word->is_string()) reason = word->get<std::string>();
    const auto timestamp = body.find("timestamp");
    if (timestamp != body.end() && timestamp->is_number_unsigned()) {
      since = std::chrono::milliseconds(timestamp->get<std::int64_t>());
    }
  }

  Row row{.reason = reason, .kind = kind_of_status(answer.status)};
  if (answer.status == 403) row.advice = Advice::kRetireConnection;
  const auto known = std::find_if(std::begin(kRows), std::end(kRows),
                                  [&](const Row& candidate) { return candidate.reason == reason; });
  if (known != std::end(kRows)) {
    row = *known;
    if (row.kind == Kind::kTokenDead && answer.status != 410) row.kind = Kind::kTokenUnusable;
    if (topic == ApnsTopic::kOfAPushType && is_about_topic(reason)) {
      row.kind = Kind::kNotificationRefused;
    }
  }

  ApnsJudgement judgement{
      .verdict = {.kind = row.kind,
                  .scope = row.scope,
                  .status = answer.status,
                  .retry_after = parse_retry_after(answer.retry_after, now),
                  .reason =
                      reason.empty() ? fmt::format("Status{}", answer.status) : reason_of(reason)},
      .advice = row.advice};
  if (row.kind == Kind::kTokenDead) judgement.verdict.since_ms = since;
  return judgement;
}

PlatformWord apns_word(const Verdict& verdict) {
  PlatformWord word{.text = word_of(verdict)};
  switch (verdict.kind) {
    case Kind::kAccepted:
    case Kind::kTokenDead:
    case Kind::kTokenUnusable:
      word.kind = PlatformWord::Kind::kGood;
      break;
    case Kind::kThrottled:
      // Of one device; not of too many tokens of ours.
      if (verdict.scope == Scope::kDevice) word.kind = PlatformWord::Kind::kGood;
      break;
    case Kind::kCredentialRefused:
      word.kind = PlatformWord::Kind::kRefused;
      break;
    case Kind::kUnavailable:
    case Kind::kNotificationRefused:
    case Kind::kNotSent:
    case Kind::kUnanswered:
      break;
  }
  return word;
}

}  // namespace carillon::push
