#include "relay/fanout/provider_succession.h"

#include <algorithm>
#include <utility>

namespace carillon::fanout {
namespace {

using std::chrono::milliseconds;

// For what has come to a provider in the moment between the look and its end.
constexpr milliseconds kLastGrace{30'000};

}  // namespace

void ProviderSeat::on_verdicts(std::span<const push::Verdict> verdicts) noexcept {
  if (!vacated_.load(std::memory_order_relaxed) ||
      std::ranges::none_of(verdicts, is_about_credential)) {
    return onward_.on_verdicts(verdicts);
  }
  std::vector<push::Verdict> told(verdicts.begin(), verdicts.end());
  for (push::Verdict& verdict : told) {
    if (!is_about_credential(verdict)) continue;
    verdict.kind = push::VerdictKind::kNotSent;  // a platform that refuses us processes nothing
    verdict.scope = push::ThrottleScope::kNone;
  }
  onward_.on_verdicts(told);
}

ProviderSuccession::ProviderSuccession(std::unique_ptr<push::Provider> first,
                                       std::shared_ptr<ProviderSeat> seat)
    : platform_(first->platform()),
      current_{.seat = std::move(seat), .provider = std::move(first)} {}

ProviderSuccession::~ProviderSuccession() {
  close(milliseconds(0));
}

void ProviderSuccession::succeed(std::unique_ptr<push::Provider> next,
                                 std::shared_ptr<ProviderSeat> seat) {
  const std::lock_guard lock(mutex_);
  current_.seat->vacate();
  leaving_.push_back(
      std::exchange(current_, Tenure{.seat = std::move(seat), .provider = std::move(next)}));
}

// Held by nobody else: who submits holds the pointer, and none can get it any more.
bool ProviderSuccession::is_done(const Tenure& tenure) {
  if (tenure.provider.use_count() != 1) return false;
  std::atomic_thread_fence(std::memory_order_acquire);  // after the last holder's submit
  const push::ProviderHealth health = tenure.provider->health();
  return health.queued == 0 && health.in_flight == 0;
}

// Twice in a row: what goes from a queue to the wire is between the two numbers for a moment. Were
// it there at both looks, it would get its answer within the grace.
std::size_t ProviderSuccession::close_finished() {
  std::vector<Tenure> done;  // closed without the lock
  {
    const std::lock_guard lock(mutex_);
    for (auto tenure = leaving_.begin(); tenure != leaving_.end();) {
      const bool is_so = is_done(*tenure);
      if (is_so && tenure->seemed_done) {
        done.push_back(std::move(*tenure));
        tenure = leaving_.erase(tenure);
      } else {
        tenure->seemed_done = is_so;
        ++tenure;
      }
    }
  }
  for (Tenure& tenure : done) {
    tenure.provider->close(kLastGrace);
    tenure.provider.reset();  // before its seat
  }
  const std::lock_guard lock(mutex_);
  return leaving_.size();
}

push::ProviderHealth ProviderSuccession::health() const {
  const std::lock_guard lock(mutex_);
  push::ProviderHealth health = current_.provider->health();
  for (const Tenure& tenure : leaving_) {
    const push::ProviderHealth left = tenure.provider->health();
    health.in_flight += left.in_flight;
    health.queued += left.queued;
  }
  return health;
}

void ProviderSuccession::close(milliseconds grace) {
  std::vector<std::shared_ptr<push::Provider>> all;
  {
    const std::lock_guard lock(mutex_);
    all.push_back(current_.provider);
    for (const Tenure& tenure : leaving_) all.push_back(tenure.provider);
  }
  const auto deadline = std::chrono::steady_clock::now() + grace;
  for (const auto& provider : all) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    provider->close(std::max(left, milliseconds(0)));
  }
}

}  // namespace carillon::fanout
