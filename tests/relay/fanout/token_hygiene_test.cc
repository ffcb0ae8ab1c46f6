// What becomes of devices whose tokens a provider speaks against.
#include <sqlite3.h>

#include "storage/quarantine.h"
#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout::token_hygiene_test {
namespace {

using push::VerdictKind;

constexpr std::uint32_t kAnswersMin = 20;

class TokenHygiene : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    limits_.dead_answers_min = kAnswersMin;
    // One turn hands out everything.
    limits_.repeat_bound = 4'096;
    limits_.batch_devices = 256;
    provider_here_.window_size = 1'000;
  }
  // The last `against` of the event's devices are spoken against, the others accept.
  void send(std::size_t against, VerdictKind kind = VerdictKind::kTokenDead,
            std::int64_t since_ms = -1) {
    publish();
    take_up_new();
    turn();
    const std::size_t devices = provider_->open.size();
    for (std::size_t i = 0; i < devices; ++i) {
      if (i < devices - against) {
        answer({.kind = VerdictKind::kAccepted});
      } else {
        answer({.kind = kind, .since_ms = std::chrono::milliseconds(since_ms), .reason = "Gone"});
      }
    }
    run_to_the_end();
  }
  void take_up_new() {
    auto jobs = store_->unfinished_jobs();
    ASSERT_TRUE(jobs) << jobs.error().message;
    for (store::Job& job : *jobs) {
      dispatcher_->take_up(0, {.job = std::move(job), .notification = {.title = title_}});
    }
  }
  void register_again(int device, const std::string& token, bool by_app = true) {
    const std::string name = "d-" + std::to_string(device);
    const auto stored = store_->put_device({.app = "video",
                                            .device = name,
                                            .platform = store::Platform::kApns,
                                            .token = token,
                                            .subscriber = name,
                                            .by_app = by_app},
                                           now_.calendar_ms);
    ASSERT_TRUE(stored) << stored.error().message;
  }
  bool known(int device) {
    return store_->device("video", "d-" + std::to_string(device)).has_value();
  }
  bool quarantined(int device) {
    return store_->device("video", "d-" + std::to_string(device)).value().quarantined;
  }
  std::uint64_t in_quarantine() { return store_->count_quarantine("video").value()[0]; }
  // Every row that says anything of a device.
  std::string device_table() {
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open((folder_ / "test.db").c_str(), &database), SQLITE_OK);
    std::string all;
    for (const char* table :
         {"sub", "hot", "mem", "devmem", "trait", "unusual", "hx", "hx_new", "hx_young"}) {
      sqlite3_stmt* rows = nullptr;
      const std::string sql = fmt::format("SELECT k, d FROM {} ORDER BY k", table);
      EXPECT_EQ(sqlite3_prepare_v2(database, sql.c_str(), -1, &rows, nullptr), SQLITE_OK) << sql;
      while (sqlite3_step(rows) == SQLITE_ROW) {
        all += fmt::format("{} {} ", table, sqlite3_column_int64(rows, 0));
        all.append(static_cast<const char*>(sqlite3_column_blob(rows, 1)),
                   static_cast<std::size_t>(sqlite3_column_bytes(rows, 1)));
      }
      sqlite3_finalize(rows);
    }
    sqlite3_close(database);
    return all;
  }

  ScriptedProvider provider_here_;
};

TEST_F(TokenHygiene, ADeadTokenRemovesItsDeviceUnlessItRegisteredAgainSince) {
  subscribe(0, 40);
  publish();
  start(&provider_here_);
  turn();
  now_.calendar_ms += 5'000;
  register_again(1, token(77));
  now_.calendar_ms += 5'000;
  for (int i = 0; i < 2; ++i) {
    answer({.kind = VerdictKind::kTokenDead,
            .since_ms = std::chrono::milliseconds(now_.calendar_ms),
            .reason = "Unregistered"});
  }
  run_to_the_end();
  EXPECT_FALSE(known(0));
  ASSERT_TRUE(known(1)) << "it has a token that the answer is not about";
  EXPECT_EQ(store_->device("video", "d-1")->token, token(77));
  EXPECT_EQ(totals_.tokens_removed, 2u) << "asked for";
}

TEST_F(TokenHygiene, ATokenThatTheAppRegisteredAgainIsProofOfLife) {
  subscribe(0, 40);
  start(&provider_here_);
  const std::int64_t died_ms = now_.calendar_ms;
  now_.calendar_ms += 5'000;
  register_again(39, token(39));
  register_again(38, token(38), /*by_app=*/false);
  now_.calendar_ms += 5'000;
  send(2, VerdictKind::kTokenDead, died_ms);
  EXPECT_TRUE(known(39)) << "the provider's word is older";
  EXPECT_FALSE(known(38)) << "an import that says nothing new proves nothing";
}

TEST_F(TokenHygiene, NothingIsRemovedBeforeThereAreAnswersToJudgeBy) {
  subscribe(0, kAnswersMin / 2);
  start(&provider_here_);
  send(1);
  EXPECT_TRUE(known(kAnswersMin / 2 - 1));
  EXPECT_EQ(totals_.guard, TokenGuard::State::kLearning);
  send(1);
  EXPECT_FALSE(known(kAnswersMin / 2 - 1)) << "with the next event there are enough";
  EXPECT_EQ(totals_.guard, TokenGuard::State::kCalm);
}

TEST_F(TokenHygiene, WhatWasHeldIsForgottenByACrashAndToldAgain) {
  subscribe(0, kAnswersMin / 2);
  start(&provider_here_);
  send(1);
  crash(&provider_here_);
  send(0);
  EXPECT_TRUE(known(kAnswersMin / 2 - 1)) << "what was said before the crash is not believed now";
  send(1);
  EXPECT_FALSE(known(kAnswersMin / 2 - 1));
}

TEST_F(TokenHygiene, WhenTheDeadShareJumpsDevicesAreQuarantinedAndNotSentTo) {
  subscribe(0, 100);
  start(&provider_here_);
  send(2);
  ASSERT_FALSE(known(99));
  send(90);
  EXPECT_EQ(totals_.guard, TokenGuard::State::kSuspicious);
  EXPECT_GE(totals_.dead_percent, 70u);
  EXPECT_EQ(in_quarantine(), 90u);
  EXPECT_EQ(totals_.tokens_quarantined, 90u);
  EXPECT_EQ(totals_.tokens_removed, 2u);
  for (int i = 8; i < 98; ++i) ASSERT_TRUE(quarantined(i)) << i;
  const auto listed = store_->quarantine("video", 0, 1);
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->at(0).device, "d-8");
  EXPECT_EQ(listed->at(0).reason, "Gone");

  provider_here_.times_sent.clear();
  send(0);
  EXPECT_EQ(provider_here_.times_sent.size(), 8u);
  ASSERT_TRUE(store_->decide_quarantine("video", store::QuarantineAction::kRestore, std::nullopt, 0,
                                        store::kQuarantineBatchMax));
  EXPECT_EQ(in_quarantine(), 0u);
  provider_here_.times_sent.clear();
  send(0);
  EXPECT_EQ(provider_here_.times_sent.size(), 98u);
}

TEST_F(TokenHygiene, ARegistrationTakesADeviceOutOfQuarantine) {
  subscribe(0, 40);
  start(&provider_here_);
  send(40);
  ASSERT_EQ(in_quarantine(), 40u);
  register_again(3, token(3));
  EXPECT_FALSE(quarantined(3));
  register_again(4, token(104), /*by_app=*/false);
  EXPECT_FALSE(quarantined(4)) << "a new token, whoever says so";
  EXPECT_EQ(in_quarantine(), 38u);
  provider_here_.times_sent.clear();
  send(0);
  EXPECT_EQ(provider_here_.times_sent.size(), 2u);
}

TEST_F(TokenHygiene, TokensOfNoUseAreLeftAloneWhileThatIsSuspicious) {
  subscribe(0, 40);
  start(&provider_here_);
  const std::string before = device_table();
  send(40, VerdictKind::kTokenUnusable);
  EXPECT_EQ(device_table(), before) << "the wrong environment says it of all";
  EXPECT_EQ(totals_.tokens_left_alone, 40u);
  for (int i = 0; i < 10; ++i) send(0);
  ASSERT_EQ(totals_.guard, TokenGuard::State::kCalm);
  send(1, VerdictKind::kTokenUnusable);
  EXPECT_FALSE(known(39)) << "one among many that accept is the device's own fault";
}

TEST_F(TokenHygiene, AStormLeavesTheDevicesByteForByteAsTheyWere) {
  limits_.attempts_max = 3;
  subscribe(0, 60);
  start(&provider_here_);
  send(0);
  const std::string before = device_table();
  for (const VerdictKind kind : {VerdictKind::kUnavailable, VerdictKind::kThrottled,
                                 VerdictKind::kUnanswered, VerdictKind::kNotificationRefused,
                                 VerdictKind::kNotSent, VerdictKind::kCredentialRefused}) {
    const auto event = publish("news", /*ttl_ms=*/60'000);
    take_up_new();
    for (int i = 0; i < 200 && dispatcher_->jobs() > 0; ++i) {
      turn();
      while (!provider_here_.open.empty()) {
        answer({.kind = kind, .status = 503, .reason = "ServiceUnavailable"});
      }
      pass(1'000);
      record();
    }
    ASSERT_EQ(dispatcher_->jobs(), 0u) << static_cast<int>(kind);
    EXPECT_EQ(counters(event).accepted, 0u);
    EXPECT_EQ(counters(event).pending(), 0u);
    EXPECT_EQ(device_table(), before) << static_cast<int>(kind);
  }
  EXPECT_EQ(in_quarantine(), 0u);
}

TEST_F(TokenHygiene, AFailedCheckpointRemovesAndQuarantinesNobodyAndTheNextOneDoes) {
  subscribe(0, 40);
  publish();
  start(&provider_here_);
  turn();
  fail_records_ = 1;
  for (int i = 0; i < 2; ++i) answer({.kind = VerdictKind::kTokenDead, .reason = "Gone"});
  answer_all();
  pass(10);
  ASSERT_TRUE(record());
  EXPECT_EQ(dispatcher_->store_error(), "no space");
  EXPECT_TRUE(known(0));
  run_to_the_end();
  EXPECT_FALSE(known(0));
  EXPECT_FALSE(known(1));
  EXPECT_TRUE(known(2));
}

TEST_F(TokenHygiene, ACrashBeforeTheCheckpointIsDurableRemovesNobody) {
  subscribe(0, 40);
  publish();
  start(&provider_here_);
  turn();
  for (int i = 0; i < 2; ++i) answer({.kind = VerdictKind::kTokenDead, .reason = "Gone"});
  answer_all();
  pass(10);
  ASSERT_TRUE(pending_record_);
  const std::string before = device_table();
  ScriptedProvider after;
  crash(&after);
  EXPECT_EQ(device_table(), before);
  run_to_the_end();
  EXPECT_TRUE(known(0)) << "it was sent to again, and accepted";
}

}  // namespace
}  // namespace carillon::fanout::token_hygiene_test
