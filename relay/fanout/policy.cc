#include "relay/fanout/policy.h"

#include <algorithm>

namespace carillon::fanout {
namespace {

using push::ThrottleScope;
using push::VerdictKind;

Outcome rejected(std::uint32_t attempts) {
  return {.kind = Outcome::Kind::kRejected, .attempts = attempts};
}

// The provider's word, held against what the token was when we read it: whoever registered after
// that moment has a token that this answer is not about.
Outcome token_dead(const Attempt& attempt, const push::Verdict& verdict) {
  const std::int64_t told = verdict.since_ms.count();
  return {
      .kind = Outcome::Kind::kRejected,
      .attempts = attempt.made_before + 1,
      .remove_token = true,
      .dead_since_ms = told < 0 ? attempt.token_read_ms : std::min(told, attempt.token_read_ms)};
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

std::int64_t backoff_ms(std::uint32_t attempts, const config::Fanout& limits, double jitter) {
  const std::uint32_t doublings = std::min(attempts > 0 ? attempts - 1 : 0, 32u);
  const std::int64_t full = std::min<std::int64_t>(
      static_cast<std::int64_t>(limits.retry_first_ms) << doublings, limits.retry_max_ms);
  return full / 2 + static_cast<std::int64_t>(static_cast<double>(full - full / 2) * jitter);
}

Outcome decide(const Attempt& attempt, const push::Verdict& verdict, std::int64_t now_ms,
               const config::Fanout& limits, double jitter) {
  const std::uint32_t counted = attempt.made_before + 1;
  const std::int64_t told_ms =
      verdict.retry_after.count() < 0 ? -1 : verdict.retry_after.count() * 1000;
  const std::int64_t backoff = std::max(told_ms, backoff_ms(counted, limits, jitter));

  switch (verdict.kind) {
    case VerdictKind::kAccepted:
      return {.kind = Outcome::Kind::kAccepted, .attempts = counted};
    case VerdictKind::kTokenDead:
      return token_dead(attempt, verdict);
    case VerdictKind::kTokenUnusable:
    case VerdictKind::kNotificationRefused:
      return rejected(counted);
    case VerdictKind::kThrottled: {
      const bool everyone =
          verdict.scope == ThrottleScope::kProject || verdict.scope == ThrottleScope::kCredential;
      const std::int64_t wait = everyone && told_ms < 0 ? kProjectThrottleMs : backoff;
      Outcome outcome = retry(attempt, counted, now_ms + wait, limits);
      if (everyone) outcome.pause_until_ms = now_ms + wait;
      return outcome;
    }
    case VerdictKind::kUnavailable:
    case VerdictKind::kUnanswered:
      return retry(attempt, counted, now_ms + backoff, limits);
    case VerdictKind::kCredentialRefused: {
      // Nobody's attempt: the device was never asked for. The event's time is the bound.
      Outcome outcome = retry(attempt, attempt.made_before,
                              now_ms + std::max(told_ms, kCredentialPauseMs), limits);
      outcome.pause_until_ms = now_ms + std::max(told_ms, kCredentialPauseMs);
      return outcome;
    }
    case VerdictKind::kNotSent:
      return retry(attempt, attempt.made_before, now_ms + kNotSentPauseMs, limits);
  }
  return rejected(counted);
}

}  // namespace carillon::fanout
