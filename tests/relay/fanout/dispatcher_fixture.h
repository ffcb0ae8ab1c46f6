// A dispatcher over a real store: an audience, a provider whose answers the test gives, and time
// that moves by hand. `crash` forgets everything that is not in the store.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/fanout/dispatcher.h"
#include "relay/fanout/event_id.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/fanout/scripted_provider.h"
#include "tests/temporary_folder.h"

namespace carillon::fanout {

inline constexpr std::int64_t kStart = 1'700'000'000'000;

class DispatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    open_store();
    limits_.repeat_bound = 64;
    limits_.batch_devices = 16;
    limits_.checkpoint_interval_ms = 10;
    limits_.retry_first_ms = 1'000;
    limits_.apns_unavailable_ms = 1'000;
  }
  void TearDown() override {
    dispatcher_.reset();
    store_.reset();
  }

  void open_store() {
    auto store = store::open_sqlite_store({.path = folder_ / "test.db", .create = true});
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }

  static std::string token(int device) { return fmt::format("{:064x}", device); }

  void subscribe(int from, int to, std::string_view topic = "news") {
    std::vector<std::string> names, tokens;
    for (int i = from; i < to; ++i) {
      names.push_back("d-" + std::to_string(i));
      tokens.push_back(token(i));
    }
    const std::string_view topics[] = {topic};
    std::vector<store::DeviceRegistration> devices;
    for (std::size_t i = 0; i < names.size(); ++i) {
      devices.push_back({.app = "video",
                         .device = names[i],
                         .platform = store::Platform::kApns,
                         .token = tokens[i],
                         .subscriber = names[i],
                         .topics = topics});
    }
    auto stored = store_->put_devices(devices, now_.calendar_ms);
    ASSERT_TRUE(stored) << stored.error().message;
    now_.calendar_ms += 1'000;
  }

  store::EventId publish(std::string topic = "news", std::int64_t ttl_ms = 3'600'000,
                         std::uint8_t priority = 2) {
    ++events_;
    // Past the version's bits, which would swallow half a byte.
    const store::EventId id = make_event_id(
        now_.calendar_ms,
        {0, 0, 0, static_cast<std::uint8_t>(events_ >> 8), static_cast<std::uint8_t>(events_)});
    auto accepted = store_->accept({.id = id,
                                    .app = "video",
                                    .audience = {.topics = {topic}},
                                    .content = "{}",
                                    .priority = priority,
                                    .accepted_ms = now_.calendar_ms,
                                    .expires_ms = now_.calendar_ms + ttl_ms});
    EXPECT_TRUE(accepted) << accepted.error().message;
    return id;
  }

  // A fresh dispatcher that takes up what the store says is unfinished.
  void start(ScriptedProvider* provider) {
    provider_ = provider;
    fail_records_ = 0;
    pending_record_.reset();
    dispatcher_ = std::make_unique<Dispatcher>(
        *store_, limits_,
        [this](std::vector<store::Checkpoint> checkpoints, std::int64_t) {
          pending_record_ = std::move(checkpoints);
        },
        7);
    const std::size_t lane = dispatcher_->add_lane(provider, &totals_, lane_options_);
    ASSERT_EQ(lane, 0u);
    auto jobs = store_->unfinished_jobs();
    ASSERT_TRUE(jobs) << jobs.error().message;
    for (store::Job& job : *jobs) {
      dispatcher_->take_up(0, {.job = std::move(job),
                               .notification = {.title = title_},
                               .localization = localization_});
    }
  }
  void crash(ScriptedProvider* provider) { start(provider); }

  void turn() { wish_ = dispatcher_->turn(now_); }
  void pass(std::int64_t ms) {
    now_.calendar_ms += ms;
    now_.monotonic_ms += ms;
    turn();
  }
  // Lets the store do what it was asked to record, if anything.
  bool record() {
    if (!pending_record_) return false;
    auto checkpoints = std::move(*pending_record_);
    pending_record_.reset();
    store::Result<void> result;
    if (fail_records_ > 0) {
      --fail_records_;
      result = tl::unexpected(store::Error{store::Error::Kind::kFull, "no space"});
    } else {
      std::promise<store::Result<void>> done;
      store_->record(std::move(checkpoints), now_.calendar_ms,
                     [&](store::Result<void> recorded) { done.set_value(std::move(recorded)); });
      result = done.get_future().get();
      EXPECT_TRUE(result) << result.error().message;
    }
    dispatcher_->on_recorded(result, now_);
    return true;
  }
  void record_all() {
    do {
      pass(10);
    } while (record());
  }
  void answer(push::Verdict verdict, std::size_t which = 0) {
    verdict.tag = provider_->open[which].tag;
    provider_->open.erase(provider_->open.begin() + static_cast<std::ptrdiff_t>(which));
    dispatcher_->on_verdicts(0, std::span(&verdict, 1), now_);
  }
  void answer_all(push::VerdictKind kind = push::VerdictKind::kAccepted) {
    while (!provider_->open.empty()) answer({.kind = kind, .reason = "Because"});
  }
  // Until nothing is left to do, everybody saying yes.
  void run_to_the_end() {
    for (int i = 0; i < 100'000 && dispatcher_->jobs() > 0; ++i) {
      turn();
      answer_all();
      record();
      pass(10);
    }
    ASSERT_EQ(dispatcher_->jobs(), 0u);
  }
  store::Counters counters(const store::EventId& id) {
    auto event = store_->event(id);
    EXPECT_TRUE(event) << event.error().message;
    store::Counters sum;
    for (const auto& job : event->jobs) {
      sum.targeted += job.counters.targeted;
      sum.accepted += job.counters.accepted;
      sum.rejected += job.counters.rejected;
      sum.expired += job.counters.expired;
      sum.suppressed += job.counters.suppressed;
      sum.dead_lettered += job.counters.dead_lettered;
    }
    return sum;
  }
  store::EventState state(const store::EventId& id) { return store_->event(id)->state; }
  store::Job job(const store::EventId& id) { return store_->jobs(id)->front(); }

  // In memory: thousands of events need not wait for a disk.
  const TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<store::Store> store_;
  config::Fanout limits_;
  Now now_{.calendar_ms = kStart, .monotonic_ms = 1'000};
  std::uint16_t events_ = 0;
  std::string title_ = "hello";
  std::shared_ptr<const Localization> localization_;
  LaneTotals totals_;
  LaneOptions lane_options_;
  ScriptedProvider* provider_ = nullptr;
  std::optional<std::vector<store::Checkpoint>> pending_record_;
  int fail_records_ = 0;
  std::int64_t wish_ = 0;
  std::unique_ptr<Dispatcher> dispatcher_;
};

}  // namespace carillon::fanout
