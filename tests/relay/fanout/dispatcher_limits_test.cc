// What bounds a checkpoint, and what a store that is really full does.
#include <gtest/gtest.h>

#include <future>

#include "relay/fanout/dispatcher_state.h"
#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::dispatcher_limits_test {
namespace {

using push::VerdictKind;

class Limits : public DispatcherTest {};

TEST_F(Limits, ACheckpointGathersSoManyRowsOfWhatExpiredAndNoMoreHoweverSlowTheDiskIs) {
  constexpr int kDevices = 10'000;
  subscribe(0, kDevices);
  const auto event = publish("news", 60'000);
  ScriptedProvider provider;
  start(&provider);
  now_.calendar_ms += 60'000;
  // A page is settled whole, and holds up to twice what was asked for.
  constexpr std::size_t kRowsMost = kFateRowsPerCheckpoint - 1 + 2 * kFatePageDevices;
  std::size_t rows = 0;
  for (int checkpoint = 0; dispatcher_->jobs() > 0 && checkpoint < 20; ++checkpoint) {
    for (int i = 0; i < 10; ++i) pass(10);  // the disk takes its time
    if (!pending_record_) continue;
    for (const auto& part : *pending_record_) {
      EXPECT_LE(part.failures.size(), kRowsMost);
      rows += part.failures.size();
    }
    EXPECT_TRUE(checkpoint > 0 || rows < static_cast<std::size_t>(kDevices));
    record();
  }
  EXPECT_EQ(state(event), store::EventState::kCompleted);
  EXPECT_EQ(rows, static_cast<std::size_t>(kDevices));
  EXPECT_EQ(counters(event).expired, static_cast<std::uint64_t>(kDevices));
}

// The store is really full: SQLite may not add a page.
TEST_F(Limits, AFullStoreHoldsTheHandOutBackAndLosesNothingOnceThereIsRoom) {
  constexpr int kDevices = 2'000;
  subscribe(0, kDevices);
  const auto event = publish();
  limits_.repeat_bound = 512;
  store_.reset();
  const auto pages = std::filesystem::file_size(folder_ / "test.db") / 4'096;
  auto full = store::open_sqlite_store({.path = folder_ / "test.db", .pages_max = pages});
  ASSERT_TRUE(full) << full.error().message;
  store_ = std::move(*full);
  ScriptedProvider provider;
  start(&provider);
  // Every failure is a row: soon there is no room for more.
  bool refused = false;
  for (int i = 0; i < 200 && !refused; ++i) {
    pass(10);
    answer_all(VerdictKind::kNotificationRefused);
    if (!pending_record_) continue;
    std::promise<store::Result<void>> done;
    store_->record(*std::exchange(pending_record_, {}), now_.calendar_ms,
                   [&](store::Result<void> result) { done.set_value(std::move(result)); });
    const auto result = done.get_future().get();
    refused = !result;
    EXPECT_TRUE(result || result.error().kind == store::Error::Kind::kFull);
    dispatcher_->on_recorded(result, now_);
  }
  ASSERT_TRUE(refused);
  EXPECT_FALSE(dispatcher_->store_error().empty());
  for (int i = 0; i < 50; ++i) {
    turn();
    answer_all(VerdictKind::kNotificationRefused);
  }
  EXPECT_LE(dispatcher_->uncovered(), limits_.repeat_bound)
      << "what cannot be recorded is not sent";
  EXPECT_LT(provider.times_sent.size(), static_cast<std::size_t>(kDevices));
  const store::Counters before = counters(event);
  EXPECT_EQ(before.targeted, before.settled() + before.pending());

  // Somebody makes room; the same relay or, as here, its next start goes on.
  dispatcher_.reset();
  store_.reset();
  open_store();
  ScriptedProvider after;
  start(&after);
  run_to_the_end();
  const store::Counters last = counters(event);
  EXPECT_GE(last.rejected, before.rejected);
  EXPECT_EQ(last.rejected + last.accepted, static_cast<std::uint64_t>(kDevices));
}

}  // namespace
}  // namespace carillon::fanout::dispatcher_limits_test
