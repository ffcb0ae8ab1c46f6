// Several apps and platforms at once: what of the bound on repeats each lane may take, and who is
// first when the disk is slower than the providers.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::dispatcher_lanes_test {
namespace {

constexpr std::uint32_t kBound = 1'024, kBulkBound = kBound - kBound / kUrgentPart;
constexpr std::uint32_t kBatch = 16;  // less than one is not worth a turn
constexpr std::uint8_t kUrgentPriority = 1, kBulkPriority = 3;

class DispatcherLanes : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    limits_.repeat_bound = kBound;
    limits_.batch_devices = kBatch;
    limits_.checkpoint_interval_ms = 1'000'000;
  }
  void start_lanes(std::size_t count) {
    providers_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      providers_.push_back(std::make_unique<ScriptedProvider>());
      providers_.back()->window_size = 10'000;
    }
    start(providers_[0].get());
    totals_of_ = std::vector<LaneTotals>(count);
    for (std::size_t i = 1; i < count; ++i) {
      ASSERT_EQ(dispatcher_->add_lane(providers_[i].get(), &totals_of_[i]), i);
    }
  }
  // What a lane is asked to send; which app it is of makes no difference to the dispatcher.
  store::EventId send(std::size_t lane, std::string topic, std::uint8_t priority = 2) {
    const auto event = publish(std::move(topic), 3'600'000, priority);
    dispatcher_->take_up(lane, {.job = job(event), .notification = {.title = title_}});
    return event;
  }
  std::size_t open(std::size_t lane) const { return providers_[lane]->open.size(); }
  std::size_t sent(std::size_t lane) const { return providers_[lane]->times_sent.size(); }
  void accept(std::size_t lane, std::size_t count) {
    auto& open = providers_[lane]->open;
    std::vector<push::Verdict> verdicts;
    for (; count > 0 && !open.empty(); --count) {
      verdicts.push_back({.tag = open.front().tag, .kind = push::VerdictKind::kAccepted});
      open.pop_front();
    }
    dispatcher_->on_verdicts(lane, verdicts, now_);
    ASSERT_LE(dispatcher_->uncovered(), limits_.repeat_bound);
  }

  std::vector<std::unique_ptr<ScriptedProvider>> providers_;
  std::vector<LaneTotals> totals_of_;
};

TEST_F(DispatcherLanes, ALaneThatIsAloneAtWorkHasHalfTheBoundHoweverManyThereAre) {
  subscribe(0, 1'000);
  start_lanes(12);
  send(7, "news");
  turn();
  EXPECT_EQ(open(7), kBulkBound / 2);
}

TEST_F(DispatcherLanes, EveryLaneAtWorkEndsUpWithTheSameShare) {
  subscribe(0, 3'000);
  start_lanes(12);
  for (const std::size_t lane : {2, 5, 9}) {
    send(lane, "news");
    turn();
  }
  EXPECT_EQ(open(2), kBulkBound / 2);
  EXPECT_EQ(open(5), kBulkBound / 4) << "half of what the first has left";
  EXPECT_GT(open(9), kBulkBound / 8 - kBatch);
  EXPECT_LE(open(9), kBulkBound / 8);
  for (int i = 0; i < 20; ++i) {
    for (const std::size_t lane : {2, 5, 9}) {
      accept(lane, 64);
      turn();
    }
    record();
  }
  for (const std::size_t lane : {2, 5, 9}) {
    EXPECT_GE(open(lane), kBulkBound / 4 - 64) << lane;
    EXPECT_LE(open(lane), kBulkBound / 4 + 64) << lane;
  }
}

TEST_F(DispatcherLanes, ProvidersThatFallSilentOneAfterTheOtherLeaveSomethingForTheNext) {
  subscribe(0, 1'000);
  start_lanes(6);
  for (std::size_t lane = 0; lane < 5; ++lane) {
    send(lane, "news", kBulkPriority);
    turn();
  }
  subscribe(1'000, 1'001, "one");
  send(5, "one", kBulkPriority);
  turn();
  EXPECT_EQ(open(5), 1u);
  EXPECT_LE(dispatcher_->uncovered(), limits_.repeat_bound);
}

TEST_F(DispatcherLanes, WhatASlowDiskFreesGoesToEveryLaneInItsTurn) {
  subscribe(0, 3'000);
  limits_.repeat_bound = 256;
  start_lanes(12);
  const std::vector<std::size_t> busy = {1, 4, 8, 11};
  for (const std::size_t lane : busy) send(lane, "news", kBulkPriority);
  // The providers answer at once, the disk now and then.
  for (int i = 0; i < 200; ++i) {
    turn();
    for (const std::size_t lane : busy) accept(lane, 1'000);
    if (i % 5 == 4) record();
  }
  std::size_t least = sent(busy[0]), most = least;
  for (const std::size_t lane : busy) {
    least = std::min(least, sent(lane));
    most = std::max(most, sent(lane));
  }
  EXPECT_GT(least, 0u);
  EXPECT_LT(most, 3'000u) << "nobody was done before the others had their turns";
  EXPECT_LE(most, 2 * least);
}

TEST_F(DispatcherLanes, AnUrgentEventOfAnyLaneFindsItsPartOfTheBound) {
  subscribe(0, 3'000);
  subscribe(3'000, 3'001, "code");
  start_lanes(3);
  for (const std::size_t lane : {0, 1}) send(lane, "news", kBulkPriority);
  for (int i = 0; i < 100; ++i) {
    turn();
    accept(0, 1'000);
    accept(1, 1'000);  // and the store records nothing
  }
  ASSERT_EQ(dispatcher_->uncovered(), kBulkBound);
  for (std::size_t i = 0; i < kBound - kBulkBound + 1; ++i) send(i % 3, "code", kUrgentPriority);
  for (int i = 0; i < 100; ++i) {
    turn();
    for (const std::size_t lane : {0, 1, 2}) accept(lane, 1'000);
  }
  EXPECT_EQ(dispatcher_->uncovered(), kBound);
  for (const std::size_t lane : {0, 1, 2}) {
    EXPECT_EQ(providers_[lane]->times_sent.count(token(3'000)), 1u) << lane;
  }
}

}  // namespace
}  // namespace carillon::fanout::dispatcher_lanes_test
