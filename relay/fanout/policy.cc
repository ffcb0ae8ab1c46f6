#include "relay/fanout/policy.h"

#include <algorithm>
#include <array>

namespace carillon::fanout {
namespace {

using push::Platform;
using push::ThrottleScope;
using push::VerdictKind;

enum class Course : std::uint8_t {
  kDone,          // accepted
  kRefused,       // rejected; the token is not at fault
  kTokenDead,     // rejected, with the provider's word on the token
  kTokenSuspect,  // rejected; the token or our configuration is wrong
  kAgain,         // another attempt, this one counts
  kNoAttempt,     // another attempt, the device was never asked for: the event's time is the bound
};

// How long until another attempt if the provider did not say.
enum class Wait : std::uint8_t {
  kNone,
  kBackoff,      // from retry_first_ms
  kUnavailable,  // from what the vendor asks for after a 5xx
  kThrottle,     // from kThrottleMs
  kCredential,   // kCredentialPauseMs
  kNotSent,      // kNotSentPauseMs
};

// Who waits.
enum class Reach : std::uint8_t { kDevice, kLane };

struct Rule {
  VerdictKind kind;
  ThrottleScope scope;  // kThrottled only
  Course course;
  Wait wait = Wait::kNone;
  Reach reach = Reach::kDevice;
  bool slow_down = false;
};

constexpr std::size_t kRules = 13;  // every kind once, kThrottled once a scope
using Rules = std::array<Rule, kRules>;
constexpr ThrottleScope kNoScope = ThrottleScope::kNone;

// Pages, under https://developer.apple.com/documentation/usernotifications/
//   [A2] handling-notification-responses-from-apns
//   [A3] establishing-a-token-based-connection-to-apns
//   [A4] establishing-a-connection-to-apns
constexpr Rules kApnsRules = {{
    {VerdictKind::kAccepted, kNoScope, Course::kDone},  // [A2] 200: taken over, not delivered
    // [A2] 410 Unregistered, ExpiredToken: do not send again; compare the timestamp first.
    {VerdictKind::kTokenDead, kNoScope, Course::kTokenDead},
    // [A2] 400 BadDeviceToken, DeviceTokenNotForTopic: never again as it is. The page names a token
    // of the other environment first among the causes, so the device is not what is judged.
    {VerdictKind::kTokenUnusable, kNoScope, Course::kTokenSuspect},
    // [A2] 429 TooManyRequests: too many to this one device token; later. No number is given.
    {VerdictKind::kThrottled, ThrottleScope::kDevice, Course::kAgain, Wait::kThrottle},
    // APNs has no such answers. Should it get one, it would be about more than a device.
    {VerdictKind::kThrottled, ThrottleScope::kTopic, Course::kAgain, Wait::kThrottle, Reach::kLane,
     true},
    {VerdictKind::kThrottled, ThrottleScope::kProject, Course::kAgain, Wait::kThrottle,
     Reach::kLane, true},
    // [A3] 429 TooManyProviderTokenUpdates: the token changed within 20 minutes on a connection.
    // True of every notification there; a new connection with the same token may do.
    {VerdictKind::kThrottled, ThrottleScope::kCredential, Course::kNoAttempt, Wait::kThrottle,
     Reach::kLane},
    // 429 with a reason that is not on [A2]: nobody knows for whom. The device waits, all slow
    // down.
    {VerdictKind::kThrottled, kNoScope, Course::kAgain, Wait::kThrottle, Reach::kDevice, true},
    // [A2] 500, 503: after 15 minutes, and longer from time to time.
    {VerdictKind::kUnavailable, kNoScope, Course::kAgain, Wait::kUnavailable},
    // [A2] 400, 413: do not send it again before it was mended.
    {VerdictKind::kNotificationRefused, kNoScope, Course::kRefused},
    // [A2] 403, 400 BadTopic, TopicDisallowed: key, certificate or topic, so every notification.
    {VerdictKind::kCredentialRefused, kNoScope, Course::kNoAttempt, Wait::kCredential,
     Reach::kLane},
    // [A4] GOAWAY, REFUSED_STREAM (RFC 9113, 8.7): not processed, free to be sent again.
    {VerdictKind::kNotSent, kNoScope, Course::kNoAttempt, Wait::kNotSent},
    // RFC 9113, 8.7: may have been processed. The collapse id folds what arrives twice.
    {VerdictKind::kUnanswered, kNoScope, Course::kAgain, Wait::kBackoff},
}};

// Pages, under https://firebase.google.com/docs/
//   [F1] reference/fcm/rest/v1/ErrorCode and cloud-messaging/error-codes
//   [F2] cloud-messaging/throttling-and-quotas
//   [F3] cloud-messaging/scale-fcm
constexpr Rules kFcmRules = {{
    {VerdictKind::kAccepted, kNoScope, Course::kDone},  // 200 with a name
    // [F1] UNREGISTERED (404): remove the token. FCM tells no time.
    {VerdictKind::kTokenDead, kNoScope, Course::kTokenDead},
    // [F1] SENDER_ID_MISMATCH (403), INVALID_ARGUMENT (400) about message.token: the token's fault
    // only if credential and message are known to be good.
    {VerdictKind::kTokenUnusable, kNoScope, Course::kTokenSuspect},
    // [F2] QUOTA_EXCEEDED (429) of one device: 240 a minute, 5,000 an hour. Only it waits.
    {VerdictKind::kThrottled, ThrottleScope::kDevice, Course::kAgain, Wait::kThrottle},
    // [F2] of a topic's fan-out. Carillon sends to tokens, so it should not come.
    {VerdictKind::kThrottled, ThrottleScope::kTopic, Course::kAgain, Wait::kThrottle, Reach::kLane,
     true},
    // [F2] of the project: 600,000 a minute. [F3] Retry-After, else 60 s.
    {VerdictKind::kThrottled, ThrottleScope::kProject, Course::kAgain, Wait::kThrottle,
     Reach::kLane, true},
    {VerdictKind::kThrottled, ThrottleScope::kCredential, Course::kNoAttempt, Wait::kThrottle,
     Reach::kLane, true},
    // [F1] one code for three budgets; its words did not tell which. The device waits, all slow
    // down.
    {VerdictKind::kThrottled, kNoScope, Course::kAgain, Wait::kThrottle, Reach::kDevice, true},
    // [F1] INTERNAL (500), UNAVAILABLE (503). [F3] first after 10 s at least, then exponentially.
    {VerdictKind::kUnavailable, kNoScope, Course::kAgain, Wait::kUnavailable},
    // [F1] INVALID_ARGUMENT, THIRD_PARTY_AUTH_ERROR, UNSPECIFIED_ERROR; [F3] 400 to 404: no retry.
    {VerdictKind::kNotificationRefused, kNoScope, Course::kRefused},
    // [F1] 401, 403, 404 without an FcmError: account or project.
    {VerdictKind::kCredentialRefused, kNoScope, Course::kNoAttempt, Wait::kCredential,
     Reach::kLane},
    {VerdictKind::kNotSent, kNoScope, Course::kNoAttempt, Wait::kNotSent},  // RFC 9113, 8.7
    {VerdictKind::kUnanswered, kNoScope, Course::kAgain, Wait::kBackoff},   // RFC 9113, 8.7
}};

// [W] RFC 8030, [V] RFC 8292; [M] Mozilla's autopush and [N] Microsoft's WNS as they document
// themselves. One lane has many push services: what one of them says of its load is no reason to
// keep from the others.
constexpr Rules kWebPushRules = {{
    {VerdictKind::kAccepted, kNoScope, Course::kDone},  // [W] 5: 201, or 202 with a receipt
    // [W] 7.3: 404, also 410: the subscription is gone. No time is told.
    {VerdictKind::kTokenDead, kNoScope, Course::kTokenDead},
    // [V] 4.2: 403 of a subscription that was made with another application server key.
    {VerdictKind::kTokenUnusable, kNoScope, Course::kTokenSuspect},
    // [W] 8.4: 429 with Retry-After, for a user agent or an application server; [N] 406.
    {VerdictKind::kThrottled, ThrottleScope::kDevice, Course::kAgain, Wait::kThrottle},
    {VerdictKind::kThrottled, ThrottleScope::kTopic, Course::kAgain, Wait::kThrottle},
    {VerdictKind::kThrottled, ThrottleScope::kProject, Course::kAgain, Wait::kThrottle,
     Reach::kLane, true},
    {VerdictKind::kThrottled, ThrottleScope::kCredential, Course::kNoAttempt, Wait::kThrottle,
     Reach::kLane, true},
    {VerdictKind::kThrottled, kNoScope, Course::kAgain, Wait::kThrottle, Reach::kDevice, true},
    // [M] 503 with Retry-After, 502 of its bridges. Nobody documents a first wait: ours.
    {VerdictKind::kUnavailable, kNoScope, Course::kAgain, Wait::kBackoff},
    {VerdictKind::kNotificationRefused, kNoScope, Course::kRefused},  // [W] 7.2: 413; 400
    // [V] 4.2: 401, 403 of the VAPID token.
    {VerdictKind::kCredentialRefused, kNoScope, Course::kNoAttempt, Wait::kCredential,
     Reach::kLane},
    {VerdictKind::kNotSent, kNoScope, Course::kNoAttempt, Wait::kNotSent},  // RFC 9113, 8.7
    {VerdictKind::kUnanswered, kNoScope, Course::kAgain, Wait::kBackoff},   // RFC 9113, 8.7
}};

constexpr const Rule* find(const Rules& rules, VerdictKind kind, ThrottleScope scope) {
  const ThrottleScope asked = kind == VerdictKind::kThrottled ? scope : kNoScope;
  for (const Rule& rule : rules) {
    if (rule.kind == kind && rule.scope == asked) return &rule;
  }
  return nullptr;
}

constexpr bool complete(const Rules& rules) {
  for (int kind = 0; kind <= static_cast<int>(VerdictKind::kUnanswered); ++kind) {
    for (int scope = 0; scope <= static_cast<int>(ThrottleScope::kCredential); ++scope) {
      const Rule* rule =
          find(rules, static_cast<VerdictKind>(kind), static_cast<ThrottleScope>(scope));
      if (rule == nullptr) return false;
      const bool waits = rule->course == Course::kAgain || rule->course == Course::kNoAttempt;
      if (waits != (rule->wait != Wait::kNone)) return false;
    }
  }
  return true;
}
static_assert(complete(kApnsRules) && complete(kFcmRules) && complete(kWebPushRules),
              "every verdict has its row");

const Rules& rules_of(Platform platform) {
  switch (platform) {
    case Platform::kApns:
      return kApnsRules;
    case Platform::kFcm:
      return kFcmRules;
    case Platform::kWebPush:
      break;
  }
  return kWebPushRules;
}

std::int64_t step_ms(std::int64_t first_ms, std::uint32_t attempts, const config::Fanout& limits) {
  // 24 doublings of an hour are more than any limit, and far from what overflows.
  const std::uint32_t doublings = std::min(attempts > 0 ? attempts - 1 : 0, 24u);
  return std::min(first_ms << doublings, std::max<std::int64_t>(limits.retry_max_ms, first_ms));
}

std::int64_t part_of(std::int64_t ms, double jitter) {
  return static_cast<std::int64_t>(static_cast<double>(ms) * jitter);
}

// Exponential as a vendor wants it: never sooner than the step, a quarter later at most.
std::int64_t at_least_ms(std::int64_t first_ms, std::uint32_t attempts,
                         const config::Fanout& limits, double jitter) {
  const std::int64_t step = step_ms(first_ms, attempts, limits);
  return step + part_of(step / 4, jitter);
}

// Until the next attempt, the provider's own word first.
std::int64_t wait_ms(const Rule& rule, const Attempt& attempt, const push::Verdict& verdict,
                     const config::Fanout& limits, double jitter) {
  const std::uint32_t attempts = attempt.made_before + 1;
  const bool told = verdict.retry_after.count() >= 0;
  const auto ours_or = [&](std::int64_t vendors_ms) {
    // What stands on the vendor's page is meant for answers that say nothing themselves.
    return told ? backoff_ms(limits.retry_first_ms, attempts, limits, jitter)
                : at_least_ms(vendors_ms, attempts, limits, jitter);
  };
  const std::int64_t told_ms = told ? verdict.retry_after.count() * 1000 : 0;
  std::int64_t ours = 0;
  switch (rule.wait) {
    case Wait::kNone:
      return 0;
    case Wait::kNotSent:
      ours = kNotSentPauseMs;
      break;
    case Wait::kCredential:
      ours = kCredentialPauseMs;
      break;
    case Wait::kThrottle:
      ours = ours_or(kThrottleMs);
      break;
    case Wait::kUnavailable:
      ours = ours_or(attempt.platform == Platform::kApns ? limits.apns_unavailable_ms
                                                         : limits.fcm_unavailable_ms);
      break;
    case Wait::kBackoff:
      ours = backoff_ms(limits.retry_first_ms, attempts, limits, jitter);
      break;
  }
  return std::max(told_ms + part_of(told_ms / kRetryAfterSpread, jitter), ours);
}

// Another attempt at `due_ms`, unless the event's time or our patience ends before.
Outcome retry(const Attempt& attempt, std::uint32_t attempts, std::int64_t due_ms,
              const config::Fanout& limits) {
  if (attempts >= limits.attempts_max) {
    return {.kind = Outcome::Kind::kDeadLettered, .attempts = attempts};
  }
  const bool was_its_chance = attempt.now_or_never && attempts > attempt.made_before;
  if (was_its_chance || due_ms >= attempt.expires_ms) {
    return {.kind = Outcome::Kind::kExpired, .attempts = attempts};
  }
  return {.kind = Outcome::Kind::kRetry, .due_ms = due_ms, .attempts = attempts};
}

}  // namespace

std::int64_t backoff_ms(std::int64_t first_ms, std::uint32_t attempts, const config::Fanout& limits,
                        double jitter) {
  const std::int64_t full = step_ms(first_ms, attempts, limits);
  return full / 2 + part_of(full - full / 2, jitter);
}

Outcome decide(const Attempt& attempt, const push::Verdict& verdict, std::int64_t now_ms,
               const config::Fanout& limits, double jitter) {
  const std::uint32_t counted = attempt.made_before + 1;
  const Rule& rule = *find(rules_of(attempt.platform), verdict.kind, verdict.scope);
  switch (rule.course) {
    case Course::kDone:
      return {.kind = Outcome::Kind::kAccepted, .attempts = counted};
    case Course::kRefused:
      return {.kind = Outcome::Kind::kRejected, .attempts = counted};
    case Course::kTokenDead: {
      // The provider's word, held against what the token was when we read it: whoever registered
      // after that moment has a registration that this answer is not about.
      const std::int64_t told = verdict.since_ms.count();
      return {.kind = Outcome::Kind::kRejected,
              .attempts = counted,
              .token = TokenWord::kDead,
              .dead_since_ms =
                  told < 0 ? attempt.token_read_ms : std::min(told, attempt.token_read_ms)};
    }
    case Course::kTokenSuspect:
      return {.kind = Outcome::Kind::kRejected,
              .attempts = counted,
              .token = TokenWord::kUnusable,
              .dead_since_ms = attempt.token_read_ms};
    case Course::kAgain:
    case Course::kNoAttempt:
      break;
  }
  // Who waits for another credential waits with the whole way, which that opens at once.
  const std::int64_t due_ms = now_ms + (rule.wait == Wait::kCredential
                                            ? kNotSentPauseMs
                                            : wait_ms(rule, attempt, verdict, limits, jitter));
  const bool counts = rule.course == Course::kAgain;
  Outcome outcome = retry(attempt, counts ? counted : attempt.made_before, due_ms, limits);
  if (rule.reach == Reach::kLane) {
    // There is one lane: nothing to spread.
    outcome.pause_until_ms = now_ms + wait_ms(rule, attempt, verdict, limits, 0.0);
  }
  outcome.slow_down = rule.slow_down;
  return outcome;
}

}  // namespace carillon::fanout
