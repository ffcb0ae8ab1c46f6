// Somebody in charge of the events of a world: what they wish, what they are told, and what is true
// from then on.
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/event_report.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {
namespace {

using fanout::Wish;

constexpr std::int64_t kReplayTtlMs = 3'600'000;
constexpr std::uint64_t kSlowMost = 400;  // devices a second

bool any_job(const store::EventRecord& event, auto is) {
  return std::any_of(event.jobs.begin(), event.jobs.end(), is);
}

}  // namespace

void World::take_charge() {
  const std::size_t number = below(random_, events_.size());
  Charge& charge = events_[number].charge;
  if (charge.asked) return;
  const auto record = store_->event(events_[number].id);
  ASSERT_TRUE(record) << record.error().message;
  if (record->state == store::EventState::kCompleted) return replay(number);
  const std::size_t which = below(random_, 100);
  if (which < 35) return steer(number, {.kind = Wish::Kind::kPause});
  if (which < 75) return steer(number, {.kind = Wish::Kind::kResume});
  if (which < 80) return steer(number, {.kind = Wish::Kind::kCancel});
  const auto per_second =
      happens(random_, 300) ? 0 : static_cast<std::uint32_t>(20 + below(random_, kSlowMost));
  steer(number, {.kind = Wish::Kind::kSetRate, .per_second = per_second});
}

void World::steer(std::size_t number, const Wish& wish) {
  Charge& charge = events_[number].charge;
  charge.asked = wish;
  charge.asked_ms = now_.monotonic_ms;
  // From this moment on, and not from the answer on.
  if (wish.kind == Wish::Kind::kPause || wish.kind == Wish::Kind::kCancel) charge.held = true;
  dispatcher_->steer(
      {.event = events_[number].id,
       .wish = wish,
       .done = [this, number](fanout::SteeringResult result) { on_steered(number, result); }},
      now_);
}

void World::on_steered(std::size_t number, const fanout::SteeringResult& result) {
  Charge& charge = events_[number].charge;
  const Wish wish = *std::exchange(charge.asked, {});
  if (!result) {
    charge.held = charge.paused || charge.cancelled;  // as if nobody had asked
    return;
  }
  std::uint64_t never = 0;
  for (const fanout::Boundary& job : result->jobs) {
    EXPECT_EQ(job.targeted, job.settled + job.unanswered + job.retrying + job.not_handed_out)
        << "the boundary of event " << number;
    never += job.retrying + job.not_handed_out;
  }
  const auto record = store_->event(events_[number].id);
  ASSERT_TRUE(record) << record.error().message;
  switch (wish.kind) {
    case Wish::Kind::kPause:
      charge.paused = true;
      EXPECT_TRUE(
          any_job(*record, [](const auto& job) { return job.state == store::EventState::kPaused; }))
          << "event " << number << ": the pause is not on the disk";
      break;
    case Wish::Kind::kResume:
      charge.paused = false;
      break;
    case Wish::Kind::kCancel:
      charge.cancelled = true;
      charge.cancelled_least = std::max(charge.cancelled_least, never);
      EXPECT_TRUE(any_job(*record,
                          [](const auto& job) {
                            return job.cancelling || job.state == store::EventState::kCancelled;
                          }))
          << "event " << number << ": the cancel is not on the disk";
      break;
    case Wish::Kind::kSetRate:
      EXPECT_EQ(record->rate_per_second, wish.per_second) << "event " << number;
      if (!result->changed) break;
      charge.per_second = wish.per_second;
      charge.slowed_at_ms = charge.asked_ms;
      charge.sent_slowly = 0;
      break;
  }
  charge.held = charge.paused || charge.cancelled;
}

// After a crash: what callers were told holds; what they were not told is as the file says.
void World::recall_charges() {
  for (std::size_t number = 0; number < events_.size(); ++number) {
    Charge& charge = events_[number].charge;
    if (events_[number].id == store::EventId{}) continue;
    const auto record = store_->event(events_[number].id);
    ASSERT_TRUE(record) << record.error().message;
    const bool over = record->state == store::EventState::kCompleted ||
                      record->state == store::EventState::kCancelled;
    const bool paused =
        any_job(*record, [](const auto& job) { return job.state == store::EventState::kPaused; });
    const bool cancelled = any_job(*record, [](const auto& job) {
      return job.cancelling || job.state == store::EventState::kCancelled;
    });
    const auto unheard = [&](Wish::Kind kind) {
      return charge.asked && charge.asked->kind == kind;
    };
    if (charge.cancelled) {
      EXPECT_TRUE(cancelled) << "event " << number << ": a crash undid a cancel";
    } else if (charge.paused && !over && !unheard(Wish::Kind::kResume) &&
               !unheard(Wish::Kind::kCancel)) {
      EXPECT_TRUE(paused) << "event " << number << ": a crash undid a pause";
    }
    if (!unheard(Wish::Kind::kSetRate)) {
      EXPECT_EQ(record->rate_per_second, charge.per_second) << "event " << number;
    }
    charge.asked.reset();
    charge.paused = paused;
    charge.cancelled = cancelled;
    charge.held = paused || cancelled;
    charge.per_second = record->rate_per_second;
    charge.slowed_at_ms = now_.monotonic_ms;
    charge.sent_slowly = 0;
  }
}

// As Steersman::replay does it, without its threads.
void World::replay(std::size_t number) {
  Event& event = events_[number];
  store::ReplayWish wish{.rejected = happens(random_, 500),
                         .expired = happens(random_, 500),
                         .dead_lettered = true,
                         .expires_ms = now_ms() + kReplayTtlMs};
  std::set<std::size_t> failed;
  for (store::FailureQuery query;;) {
    const auto page = store_->failures(event.id, query);
    ASSERT_TRUE(page) << page.error().message;
    for (const store::FailureRecord& one : page->failures) {
      using Outcome = store::Failure::Outcome;
      const Outcome outcome = one.failure.outcome;
      const bool wanted = outcome == Outcome::kRejected  ? wish.rejected
                          : outcome == Outcome::kExpired ? wish.expired
                                                         : wish.dead_lettered;
      if (!wanted || one.failure.token_dead || one.device.empty()) continue;
      failed.insert(std::stoul(one.device.substr(2)));
    }
    if (!page->next) break;
    query.after = page->next;
  }
  auto replayed = store_->replay(event.id, wish, now_ms());
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_GE(replayed->taken, failed.size()) << "event " << number;
  if (replayed->taken == 0) return;
  event.settled -= replayed->taken;
  event.charge.may_get_it_again = std::move(failed);
  // It completed, so whatever stopped it is over; a rate holds.
  event.charge.paused = event.charge.held = false;
  ++event.charge.replays;
  event.charge.replayed += replayed->taken;
  dispatcher_->notice(now_);
  for (store::Job& job : replayed->jobs) {
    const std::size_t lane = static_cast<std::size_t>(job.key.platform) - 1;
    dispatcher_->take_up(
        lane, {.job = std::move(job), .notification = {.title = std::to_string(number)}});
  }
}

// Whoever is in charge lets everything go that is not cancelled.
void World::let_everything_go() {
  for (std::size_t number = 0; number < events_.size(); ++number) {
    const Charge& charge = events_[number].charge;
    if (charge.asked || charge.cancelled) continue;
    if (charge.paused) {
      steer(number, {.kind = Wish::Kind::kResume});
    } else if (charge.per_second != 0) {
      steer(number, {.kind = Wish::Kind::kSetRate});
    }
  }
}

// What a device that is handed out says of the wishes about its event.
void World::check_charge(std::size_t number, std::size_t phone) {
  Charge& charge = events_[number].charge;
  EXPECT_FALSE(charge.held) << "phone " << phone << " is beyond the boundary of event " << number;
  if (charge.replays > 0) {
    EXPECT_TRUE(charge.may_get_it_again.contains(phone))
        << "phone " << phone << " had not failed, event " << number;
  }
  if (charge.per_second == 0) return;
  ++charge.sent_slowly;
  const auto passed_ms = static_cast<std::uint64_t>(now_.monotonic_ms - charge.slowed_at_ms);
  EXPECT_LE(charge.sent_slowly * 1'000, charge.per_second * passed_ms) << "event " << number;
}

}  // namespace carillon::simulation
