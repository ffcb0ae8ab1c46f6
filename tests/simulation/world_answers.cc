// What the platforms answer: yes, no, later, or what nobody has asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "providers/apns/apns_verdict.h"
#include "providers/fcm/fcm_verdict.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {
namespace {

using push::ThrottleScope;
using push::VerdictKind;

constexpr std::size_t kAnsweredKept = 64;  // of a lane: those that may be answered once more

// A status that no platform has in its table, as its adapter understands it.
push::Verdict unknown_status(store::Platform platform) {
  const push::Answer answer{.status = 599, .body = "<html>nobody knows</html>"};
  if (platform == store::Platform::kApns) return push::judge_apns(answer, {}).verdict;
  return push::judge_fcm(answer, {}).verdict;
}

}  // namespace

void World::answer_some(bool calm) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    auto& open = providers_[lane]->open;
    std::vector<push::Verdict> verdicts;
    for (std::size_t n = calm ? open.size() : below(random_, 16); n > 0 && !open.empty(); --n) {
      const auto which = static_cast<std::ptrdiff_t>(below(random_, open.size()));
      PatientProvider::Sent& sent = open[static_cast<std::size_t>(which)];
      if (!calm && sent.silent && happens(random_, 980)) continue;
      verdicts.push_back(verdict_on(sent, calm));
      verdicts.back().tag = sent.tag;
      if (verdicts.back().kind == VerdictKind::kAccepted) {
        on_accepted(sent);
      }
      open.erase(open.begin() + which);
      remember_answer(lane, verdicts.back());
      answer_strangely(lane, verdicts);
    }
    answer_strangely(lane, verdicts);
    if (!verdicts.empty()) dispatcher_->on_verdicts(lane, verdicts, now_);
  }
}

push::Verdict World::verdict_on(const PatientProvider::Sent& sent, bool calm) {
  const Phone& phone = phones_[sent.phone];
  const bool apns = phone.platform == store::Platform::kApns;
  if (wrong_key_) {
    if (only_unusable_) return {.kind = VerdictKind::kTokenUnusable, .reason = "BadDeviceToken"};
    return {.kind = VerdictKind::kTokenDead,
            .since_ms = std::chrono::milliseconds(apns ? now_ms() : -1),
            .reason = "Unregistered"};
  }
  if (sent.dead) {
    return {.kind = VerdictKind::kTokenDead,
            .since_ms = std::chrono::milliseconds(apns ? sent.dead_since_ms : -1),
            .reason = "Unregistered"};
  }
  if (calm) return {.kind = VerdictKind::kAccepted};
  if (happens(strangeness_, plan_.unknown_status)) return unknown_status(phone.platform);
  const auto told = std::chrono::seconds(1 + below(random_, 3));
  if (apns && phone.returned && happens(random_, plan_.old_news)) {
    return {.kind = VerdictKind::kTokenDead,
            .since_ms = std::chrono::milliseconds(phone.uninstalled_ms),
            .reason = "Unregistered"};
  }
  if (happens(random_, plan_.throttled_device)) {
    return {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kDevice, .retry_after = told};
  }
  if (happens(random_, plan_.throttled_project)) {
    return {.kind = VerdictKind::kThrottled, .scope = ThrottleScope::kProject, .retry_after = told};
  }
  if (happens(random_, plan_.throttled_nobody_knows)) {
    return {.kind = VerdictKind::kThrottled, .retry_after = told};
  }
  if (happens(random_, plan_.unavailable)) return {.kind = VerdictKind::kUnavailable};
  if (happens(random_, plan_.unavailable_told)) {
    return {.kind = VerdictKind::kUnavailable, .retry_after = told};
  }
  if (happens(random_, plan_.reset)) return {.kind = VerdictKind::kUnanswered};
  if (happens(random_, plan_.go_away)) return {.kind = VerdictKind::kNotSent};
  if (happens(random_, plan_.refused)) return {.kind = VerdictKind::kNotificationRefused};
  if (happens(random_, plan_.credential_refused)) return {.kind = VerdictKind::kCredentialRefused};
  return {.kind = VerdictKind::kAccepted};
}

// The same answer once more; or one for what was answered long ago, whose job may have ended and
// left its place to another; or one that is nobody's. None of them may change anything.
void World::answer_strangely(std::size_t lane, std::vector<push::Verdict>& verdicts) {
  if (happens(strangeness_, plan_.duplicate) && !verdicts.empty()) {
    verdicts.push_back(verdicts[below(strangeness_, verdicts.size())]);
    ++strange_answers_;
  }
  if (happens(strangeness_, plan_.late_duplicate) && !answered_[lane].empty()) {
    verdicts.push_back(answered_[lane][below(strangeness_, answered_[lane].size())]);
    if (happens(strangeness_, 500)) {
      verdicts.back().kind = VerdictKind::kAccepted;
    } else if (happens(strangeness_, 500)) {
      verdicts.back().kind = VerdictKind::kTokenDead;
    }
    ++strange_answers_;
  }
  if (happens(strangeness_, plan_.foreign)) {
    verdicts.push_back({.tag = strangeness_(), .kind = VerdictKind::kAccepted});
    ++strange_answers_;
  }
}

void World::remember_answer(std::size_t lane, const push::Verdict& verdict) {
  auto& answered = answered_[lane];
  if (answered.size() < kAnsweredKept) {
    answered.push_back(verdict);
  } else {
    answered[below(strangeness_, kAnsweredKept)] = verdict;
  }
}

}  // namespace carillon::simulation
