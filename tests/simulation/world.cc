#include "tests/simulation/world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <future>

#include "relay/fanout/event_id.h"
#include "storage/quarantine.h"

namespace carillon::simulation {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::size_t kEventsMost = 4;
constexpr int kCrashesMost = 6;
constexpr int kClockStepsMost = 2;
// Longer than any wait that the limits and the faults above can add up to, by far shorter than a
// step of the clock.
constexpr std::int64_t kCalmEndsWithinMs = 40 * 60'000;

std::size_t lane_of(store::Platform platform) {
  return static_cast<std::size_t>(platform) - 1;
}

}  // namespace

World::World(std::uint64_t seed)
    : random_(seed), plan_(FaultPlan::drawn(random_)), strangeness_(~seed) {
  plan_.draw_strange_answers(strangeness_);
  limits_.repeat_bound = 8u << below(random_, 4);
  limits_.batch_devices = static_cast<std::uint32_t>(1 + below(random_, limits_.repeat_bound));
  limits_.checkpoint_interval_ms = 10;
  limits_.attempts_max = static_cast<std::uint32_t>(2 + below(random_, 6));
  limits_.retry_first_ms = 200;
  limits_.retry_max_ms = 5'000;
  limits_.apns_unavailable_ms = 2'000;
  limits_.fcm_unavailable_ms = 1'000;
  limits_.retries_per_job_max = happens(random_, 300) ? 4 : 1'000;
  limits_.dead_answers_min = 20;
  if (happens(random_, 150)) {
    outcome_rows_max_ = kFewOutcomes;
    plan_.refused = 500;
  }
}

World::~World() {
  dispatcher_.reset();
  store_.reset();
}

// --- the relay -----------------------------------------------------------------------------------

void World::open_store() {
  store_.reset();
  std::filesystem::create_directories(base_ / std::to_string(folder_));
  auto opened = store::open_sqlite_store({.path = base_ / std::to_string(folder_) / "store.db",
                                          .outcome_rows_max = outcome_rows_max_});
  ASSERT_TRUE(opened) << opened.error().message;
  store_ = *std::move(opened);
}

// A dispatcher that knows what the store knows.
void World::start() {
  wrong_key_ = happens(random_, plan_.wrong_start);
  only_unusable_ = happens(random_, 500);
  pending_record_.reset();
  for (auto& answered : answered_) answered.clear();
  dispatcher_ = std::make_unique<fanout::Dispatcher>(
      *store_, limits_,
      [this](std::vector<store::Checkpoint> checkpoints, std::int64_t) {
        pending_record_ = std::move(checkpoints);
      },
      random_());
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const auto platform = static_cast<push::Platform>(lane + 1);
    providers_[lane] = std::make_unique<PatientProvider>(
        platform, plan_.window,
        [this](const push::PushTarget& target, std::string_view token, std::size_t event) {
          return on_sent(target, token, event);
        });
    dispatcher_->add_lane(providers_[lane].get(), &totals_[lane]);
  }
  auto jobs = store_->unfinished_jobs();
  ASSERT_TRUE(jobs) << jobs.error().message;
  for (store::Job& job : *jobs) {
    const auto event = std::find_if(events_.begin(), events_.end(),
                                    [&](const Event& known) { return known.id == job.key.event; });
    ASSERT_NE(event, events_.end()) << "a job of no event";
    const std::string number = std::to_string(event - events_.begin());
    const std::size_t lane = lane_of(job.key.platform);
    dispatcher_->take_up(lane, {.job = std::move(job), .notification = {.title = number}});
  }
}

void World::turn() {
  wish_ms_ = dispatcher_->turn(now_);
}

void World::pass(std::int64_t ms) {
  now_.calendar_ms += ms;
  now_.monotonic_ms += ms;
  turn();
}

// The store does what it was asked to record. With `crash_when_durable` the file is taken as it is
// at the moment of the store's answer, which the relay never hears.
void World::record_pending(bool crash_when_durable) {
  auto checkpoints = std::move(*pending_record_);
  pending_record_.reset();
  store::Result<void> result;
  if (!crash_when_durable && happens(random_, plan_.failing_disk)) {
    result = tl::unexpected(store::Error{store::Error::Kind::kFull, "no space"});
  } else {
    std::promise<store::Result<void>> done;
    std::future<store::Result<void>> answer = done.get_future();
    store_->record(std::move(checkpoints), now_ms(), [&](store::Result<void> recorded) {
      if (crash_when_durable) copy_file_to_next_folder();
      done.set_value(std::move(recorded));
    });
    result = answer.get();
    ASSERT_TRUE(result) << result.error().message;
  }
  if (crash_when_durable) {
    // What the counters say now was promised: the file that is left has to say it, too.
    check_counters();
    to_next_folder();
    check_counters();
    return;
  }
  dispatcher_->on_recorded(result, now_);
  if (result) check_counters();
}

// As a kill leaves it. The log first: what is copied from it to the file meanwhile is in both then.
void World::copy_file_to_next_folder() {
  const auto from = base_ / std::to_string(folder_);
  const auto to = base_ / std::to_string(folder_ + 1);
  std::filesystem::create_directories(to);
  std::error_code ignored;
  std::filesystem::copy_file(from / "store.db-wal", to / "store.db-wal", ignored);
  std::filesystem::copy_file(from / "store.db", to / "store.db", ignored);
}

void World::to_next_folder() {
  ++crashes_;
  recalls_another_clock_ = recalls_another_clock_ || clock_steps_ > 0;
  dispatcher_.reset();
  store_.reset();
  std::filesystem::remove_all(base_ / std::to_string(folder_));
  ++folder_;
  open_store();
  if (testing::Test::HasFatalFailure()) return;
  recall_charges();
  start();
}

void World::crash() {
  const bool something_to_record = pending_record_.has_value();
  if (something_to_record && happens(random_, 400)) {
    record_pending(/*crash_when_durable=*/true);
  } else {
    copy_file_to_next_folder();  // what was to be recorded is lost
    to_next_folder();
  }
  if (testing::Test::HasFailure()) return;
  check_phones();
}

// --- what happens --------------------------------------------------------------------------------

void World::run() {
  open_store();
  start();
  const std::size_t phones = 20 + below(random_, 200);
  for (std::size_t phone = 0; phone < phones; ++phone) enrol(phone, true);
  publish();
  steps(60 + below(random_, 240));
  if (plan_.charge > 0 && happens(random_, 400)) {
    settle_down();
    for (std::size_t number = 0; number < events_.size(); ++number) {
      if (!testing::Test::HasFailure() && !events_[number].charge.cancelled) replay(number);
    }
    steps(below(random_, 150));
  }
  settle_down();
  if (testing::Test::HasFailure()) return;
  check_phones();
  check_feed();
  check_end();
}

void World::steps(std::size_t count) {
  while (count-- > 0 && !testing::Test::HasFailure()) step();
}

void World::step() {
  if (crashes_ < kCrashesMost && happens(random_, plan_.crash)) return crash();
  if (events_.size() < kEventsMost && happens(random_, 15)) return publish();
  if (happens(random_, plan_.churn)) return churn();
  if (happens(random_, plan_.charge)) return take_charge();
  if (happens(random_, plan_.follow)) return follow();
  if (clock_steps_ < kClockStepsMost && happens(random_, plan_.clock)) return set_clock();
  switch (below(random_, 4)) {
    case 0:
      return pass(static_cast<std::int64_t>(below(random_, 50)));
    case 1:
      if (pending_record_ && !happens(random_, plan_.slow_disk)) record_pending(false);
      return;
    case 2:
      if (providers_[0]->open.empty() && providers_[1]->open.empty()) return pass(500);
      return answer_some(false);
    default:
      return answer_some(false);
  }
}

void World::publish() {
  const std::size_t number = events_.size();
  Event& event = events_.emplace_back();
  event.key = fmt::format("key-{}", number);
  accept(number);
  if (testing::Test::HasFatalFailure()) return;
  // The answer is lost, or is lost with the relay: the publisher asks again.
  const bool dies = crashes_ < kCrashesMost && happens(random_, 5 * plan_.crash);
  if (dies) {
    copy_file_to_next_folder();
    to_next_folder();
  }
  if (dies || happens(random_, 300)) accept(number);
}

void World::accept(std::size_t number) {
  Event& event = events_[number];
  const bool first = event.id == store::EventId{};
  const store::EventId id = fanout::make_event_id(
      now_ms(), {0, 0, 0, static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(first)});
  // With a clock that may be set ahead some have to last.
  const std::int64_t ttl_ms = happens(random_, 200)                      ? 20'000
                              : plan_.clock > 0 && happens(random_, 700) ? 5 * kHourMs
                                                                         : kHourMs;
  const auto accepted =
      store_->accept({.id = id,
                      .app = "video",
                      .audience = {.topics = {"news"}},
                      .content = "{}",
                      .priority = static_cast<std::uint8_t>(1 + below(random_, 3)),
                      .accepted_ms = now_ms(),
                      .expires_ms = now_ms() + ttl_ms,
                      .idempotency_key = event.key,
                      .body_digest = {7}});
  ASSERT_TRUE(accepted) << accepted.error().message;
  ASSERT_EQ(accepted->repeated, !first) << "the event was answered before, so it was on the disk";
  const std::uint64_t targeted = accepted->targeted[0] + accepted->targeted[1];
  if (!first) {
    EXPECT_EQ(accepted->id, event.id);
    EXPECT_EQ(targeted, event.targeted);
    return;
  }
  event.id = id;
  event.targeted = targeted;
  std::uint64_t sure = 0;
  for (std::size_t phone = 0; phone < phones_.size(); ++phone) {
    const Phone& one = phones_[phone];
    if (!one.registered || !one.subscribed) continue;
    event.audience.insert(phone);
    // The store may have removed it, or put it in quarantine.
    if (one.uninstalled || one.quarantined) {
      event.left.insert(phone);
    } else {
      ++sure;
    }
  }
  EXPECT_GE(targeted, sure);
  EXPECT_LE(targeted, event.audience.size());
  dispatcher_->notice(now_);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (accepted->targeted[lane] == 0) continue;
    store::Job job{.key = {id, static_cast<store::Platform>(lane + 1)},
                   .app = "video",
                   .accepted_ms = now_ms(),
                   .expires_ms = now_ms() + ttl_ms};
    job.counters.targeted = accepted->targeted[lane];
    dispatcher_->take_up(
        lane, {.job = std::move(job), .notification = {.title = std::to_string(number)}});
  }
}

void World::churn() {
  const std::size_t phone = below(random_, phones_.size());
  switch (below(random_, 6)) {
    case 0:
      return enrol(phones_.size(), true);
    case 1:
      leave_running_events(phone);
      if (phones_[phone].subscribed) {
        EXPECT_TRUE(store_->unsubscribe("video", "news", name_of(phone)));
      }
      phones_[phone].subscribed = false;
      return;
    case 2:
      leave_running_events(phone);
      (void)store_->erase_device("video", name_of(phone));
      phones_[phone].registered = phones_[phone].subscribed = false;
      (void)store_->erase_subscriber("video", name_of(phone));
      return;
    case 3:
      return enrol(phone, true);
    case 4:
      return enrol(phone, false);
    default:
      if (!phones_[phone].registered || phones_[phone].uninstalled) return;
      // Later than its registration, which a word has to be.
      now_.calendar_ms += 1;
      now_.monotonic_ms += 1;
      phones_[phone].uninstalled = true;
      phones_[phone].returned = false;
      phones_[phone].uninstalled_ms = now_ms();
      leave_running_events(phone);
  }
}

// The app registers, and its subscriber hears the topic.
void World::enrol(std::size_t phone, bool new_token) {
  now_.calendar_ms += 1;
  now_.monotonic_ms += 1;
  if (phone == phones_.size()) {
    phones_.push_back(
        {.platform = happens(random_, 600) ? store::Platform::kApns : store::Platform::kFcm});
  }
  Phone& one = phones_[phone];
  // Whoever was not there any more comes back as a new device; whoever was, keeps its place.
  if (!one.registered || !one.subscribed || one.quarantined || one.uninstalled) {
    leave_running_events(phone);
  }
  if (new_token) ++one.version;
  const std::string name = name_of(phone), token = token_of(phone, one.version);
  const std::string_view topics[] = {"news"};
  const auto stored = store_->put_device({.app = "video",
                                          .device = name,
                                          .platform = one.platform,
                                          .token = token,
                                          .subscriber = name,
                                          .topics = topics,
                                          .by_app = true},
                                         now_ms());
  ASSERT_TRUE(stored) << stored.error().message;
  one.returned = !new_token && (one.uninstalled || one.returned);
  one.registered = one.subscribed = true;
  one.uninstalled = one.quarantined = false;
}

void World::leave_running_events(std::size_t phone) {
  for (Event& event : events_) {
    if (event.audience.contains(phone)) event.left.insert(phone);
  }
}

// Some publisher's database reads on; it may crash before it has written down what it read.
void World::follow() {
  follower_.read(*store_, 1 + below(random_, 20));
  if (happens(random_, plan_.follower_crash)) {
    follower_.crash();
  } else {
    follower_.save();
  }
}

void World::set_clock() {
  turn();  // the relay looks at its clocks at least once a second while it has anything to do
  ++clock_steps_;
  now_.calendar_ms += happens(random_, 500) ? kHourMs : -kHourMs;
}

// Nothing goes wrong for a while, and time passes until every event is over.
void World::settle_down() {
  if (testing::Test::HasFailure()) return;
  const FaultPlan faults = std::exchange(plan_, FaultPlan{});
  plan_.window = faults.window;
  if (wrong_key_) {
    copy_file_to_next_folder();
    to_next_folder();
  }
  const std::int64_t began_ms = now_.monotonic_ms;
  for (int i = 0; i < 20'000 && dispatcher_->jobs() > 0; ++i) {
    if (testing::Test::HasFailure()) return;
    let_everything_go();
    turn();
    answer_some(true);
    if (pending_record_) {
      record_pending(false);
    } else {
      pass(std::clamp<std::int64_t>(wish_ms_ - now_.monotonic_ms, 10, 1'000));
    }
  }
  ASSERT_EQ(dispatcher_->jobs(), 0u) << "an event does not end";
  EXPECT_TRUE(recalls_another_clock_ || now_.monotonic_ms - began_ms <= kCalmEndsWithinMs)
      << "an event ended " << now_.monotonic_ms - began_ms << " ms after everything was calm";
  plan_ = faults;
}

}  // namespace carillon::simulation
