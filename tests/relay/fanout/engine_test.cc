#include "relay/fanout/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "relay/fanout/event_id.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/import/memory_store.h"
#include "tests/temporary_folder.h"

namespace carillon::fanout {
namespace {

using namespace std::chrono_literals;

// Says yes to everything, from a thread of its own, as a provider does; or holds its tongue.
class AgreeingProvider : public push::Provider {
 public:
  AgreeingProvider(push::VerdictSink& sink, bool silent)
      : sink_(sink), silent_(silent), thread_([this] { run(); }) {}
  ~AgreeingProvider() override { close(0ms); }

  push::Platform platform() const noexcept override { return push::Platform::kApns; }
  tl::expected<push::RenderedMessage, push::RenderError> render(
      const push::Notification& notification,
      std::chrono::system_clock::time_point) const override {
    if (notification.title.size() > 100) {
      return tl::unexpected(push::RenderError{"/notification/title", "too long"});
    }
    return push::RenderedMessage{.body = notification.title};
  }
  void submit(push::PushBatch batch) override {
    const std::lock_guard lock(mutex_);
    for (const push::PushTarget& target : batch.targets) tags_.push_back(target.tag);
    wake_.notify_one();
  }
  std::size_t window() const noexcept override { return 200; }
  push::ProviderHealth health() const override { return {}; }
  void close(std::chrono::milliseconds) override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return closing_ || (!silent_ && !tags_.empty()); });
      std::vector<push::Verdict> verdicts;
      for (const std::uint64_t tag : tags_) {
        verdicts.push_back(
            {.tag = tag,
             .kind = silent_ ? push::VerdictKind::kUnanswered : push::VerdictKind::kAccepted});
      }
      tags_.clear();
      lock.unlock();
      if (!verdicts.empty()) sink_.on_verdicts(verdicts);
      lock.lock();
      if (closing_ && tags_.empty()) return;
    }
  }

  push::VerdictSink& sink_;
  const bool silent_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::uint64_t> tags_;
  bool closing_ = false;
  std::thread thread_;
};

// Another store, which records nothing the first so many times that it is asked to.
class RefusingStore : public import::MemoryStore {
 public:
  RefusingStore(store::Store& store, int refusals) : store_(store), refusals_(refusals) {}

  void accept(store::NewEvent event,
              std::function<void(store::Result<store::AcceptedEvent>)> done) override {
    store_.accept(std::move(event), std::move(done));
  }
  store::Result<store::EventRecord> event(const store::EventId& id) override {
    return store_.event(id);
  }
  store::Result<std::vector<store::Job>> unfinished_jobs() override {
    return store_.unfinished_jobs();
  }
  store::Result<std::unique_ptr<store::AudienceScan>> scan(const store::JobKey& job) override {
    return store_.scan(job);
  }
  void record(std::vector<store::Checkpoint> checkpoints, std::int64_t now_ms,
              std::function<void(store::Result<void>)> done) override {
    const int asked = ++asked_;
    if (asked > refusals_) return store_.record(std::move(checkpoints), now_ms, std::move(done));
    done(tl::unexpected(store::Error{store::Error::Kind::kFull, "no space"}));
    if (asked == 1) refused_.set_value();
  }

  int asked() const { return asked_; }
  bool waited_for_a_refusal() {
    return refused_.get_future().wait_for(60s) == std::future_status::ready;
  }

 private:
  store::Store& store_;
  const int refusals_;
  std::atomic<int> asked_{0};
  std::promise<void> refused_;
};

class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = store::open_sqlite_store({.path = folder_ / "test.db", .create = true});
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }
  void TearDown() override {
    engine_.reset();
    store_.reset();
  }
  void start(bool silent = false) { start_with(*store_, silent); }
  void start_with(store::Store& store, bool silent = false) {
    engine_.reset();
    engine_ = std::make_unique<Engine>(store, limits_, Clocks::system(), 1);
    engine_->add_app("video");
    engine_->add_provider("video", std::make_unique<AgreeingProvider>(
                                       engine_->sink("video", push::Platform::kApns), silent));
    const auto started = engine_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  void subscribe(int devices) {
    const std::string_view topics[] = {"news"};
    for (int i = 0; i < devices; ++i) {
      const std::string name = "d-" + std::to_string(i);
      ASSERT_TRUE(store_->put_device(
          {.app = "video",
           .device = name,
           .platform = store::Platform::kApns,
           .token = std::string(64, static_cast<char>('a' + i % 6)) + std::to_string(100 + i),
           .subscriber = name,
           .topics = topics},
          1));
    }
  }
  static Publication hello() {
    Publication publication{.app = "video"};
    publication.audience.topics = {"news"};
    publication.notification.title = "hello";
    publication.ttl = 1h;
    return publication;
  }
  // Waits until the event is completed, at most a minute: others use its disk too.
  store::EventRecord completed(const store::EventId& id) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    for (;;) {
      auto event = store_->event(id);
      if (!event) ADD_FAILURE() << event.error().message;
      if (!event || event->state == store::EventState::kCompleted) return *event;
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "not completed in time";
        return *event;
      }
      std::this_thread::yield();
    }
  }

  const TemporaryFolder folder_;
  config::Fanout limits_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, AnEventReachesEveryDeviceAndIsCompleted) {
  subscribe(50);
  start();
  const auto accepted = engine_->publish(hello());
  ASSERT_TRUE(accepted) << accepted.error().message;
  EXPECT_EQ(accepted->targeted[0], 50u);
  const auto event = completed(accepted->id);
  EXPECT_EQ(event.jobs.at(0).counters.accepted, 50u);
  EXPECT_EQ(engine_->stats().lanes.at(0).accepted, 50u);
}

TEST_F(EngineTest, ARepeatedKeyAnswersTheFirstEventAndSendsNothingNew) {
  subscribe(3);
  start();
  Publication publication = hello();
  publication.idempotency_key = "once";
  const auto first = engine_->publish(publication);
  const auto second = engine_->publish(publication);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->id, second->id);
  EXPECT_TRUE(second->repeated);
  completed(first->id);
  EXPECT_EQ(engine_->stats().lanes.at(0).submitted, 3u);

  publication.body_digest[0] = 1;
  const auto other = engine_->publish(publication);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, Refusal::Kind::kIdempotencyMismatch);
}

TEST_F(EngineTest, WhatNoProviderWouldTakeIsRefusedWithTheFieldAndNothingIsStored) {
  subscribe(1);
  start();
  Publication publication = hello();
  publication.notification.title = std::string(101, 'x');
  const auto refused = engine_->publish(publication);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kInvalid);
  EXPECT_EQ(refused.error().fields.at(0).pointer, "/notification/title");
  EXPECT_TRUE(store_->events({}, 10)->empty());
}

TEST_F(EngineTest, EachLanguageIsHeldToWhatTheProviderTakes) {
  subscribe(1);
  start();
  Publication publication = hello();
  Localization languages;
  languages.add({.locale = "de", .title = std::string(100, 'x')});
  languages.add({.locale = "pt-BR", .title = std::string(101, 'x')});
  languages.add({.locale = "fr", .body = std::string(101, 'x')});
  publication.localization = std::make_shared<const Localization>(languages);
  const auto refused = engine_->publish(publication);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kInvalid);
  ASSERT_EQ(refused.error().fields.size(), 1u);
  EXPECT_EQ(refused.error().fields[0].pointer, "/localized/pt-BR/title");
  EXPECT_TRUE(store_->events({}, 10)->empty());

  // Where the default is at fault, languages are not looked at: it would be told once for each.
  publication.notification.title = std::string(101, 'x');
  EXPECT_EQ(engine_->publish(publication).error().fields.size(), 1u);
}

TEST_F(EngineTest, NoMoreThanSoManyFaultsOfLanguagesAreTold) {
  start();
  Publication publication = hello();
  Localization languages;
  for (std::size_t i = 0; i <= kWordingFaultsMax; ++i) {
    languages.add({.locale = "x" + std::string(1, static_cast<char>('a' + i % 26)) +
                             std::string(1, static_cast<char>('a' + i / 26)),
                   .title = std::string(101, 'x')});
  }
  publication.localization = std::make_shared<const Localization>(languages);
  EXPECT_EQ(engine_->publish(publication).error().fields.size(), kWordingFaultsMax);
}

TEST_F(EngineTest, AnUnknownAppIsRefused) {
  start();
  Publication publication = hello();
  publication.app = "audio";
  const auto refused = engine_->publish(publication);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Refusal::Kind::kUnknownApp);
}

TEST_F(EngineTest, AnEventWithoutAnAudienceIsCompletedAtOnce) {
  start();
  const auto accepted = engine_->publish(hello());
  ASSERT_TRUE(accepted) << accepted.error().message;
  EXPECT_EQ(store_->event(accepted->id)->state, store::EventState::kCompleted);
}

TEST_F(EngineTest, DrainingSettlesWhatIsOutAndTheNextStartGoesOn) {
  subscribe(20);
  start(/*silent=*/true);
  const auto accepted = engine_->publish(hello());
  ASSERT_TRUE(accepted);
  engine_->drain(0ms);
  ASSERT_FALSE(engine_->publish(hello()));
  EXPECT_EQ(engine_->publish(hello()).error().kind, Refusal::Kind::kDraining);
  EXPECT_EQ(store_->event(accepted->id)->jobs.at(0).counters.accepted, 0u);
  limits_.retry_first_ms = 1;
  start();
  EXPECT_EQ(completed(accepted->id).jobs.at(0).counters.accepted, 20u);
}

TEST_F(EngineTest, DrainingTriesAgainToRecordWhatTheStoreRefusedAMomentAgo) {
  subscribe(20);
  RefusingStore refusing(*store_, 1);
  start_with(refusing);
  const auto accepted = engine_->publish(hello());
  ASSERT_TRUE(accepted);
  ASSERT_TRUE(refusing.waited_for_a_refusal());
  EXPECT_EQ(engine_->drain(60s), 0u);
  EXPECT_EQ(store_->event(accepted->id)->jobs.at(0).counters.accepted, 20u);
  engine_.reset();
}

TEST_F(EngineTest, DrainingGivesUpAtItsDeadlineAndSaysHowManyAreSentAgain) {
  subscribe(20);
  RefusingStore refusing(*store_, 1'000'000);
  start_with(refusing);
  const auto accepted = engine_->publish(hello());
  ASSERT_TRUE(accepted);
  ASSERT_TRUE(refusing.waited_for_a_refusal());
  EXPECT_EQ(engine_->drain(200ms), 20u);
  EXPECT_GE(refusing.asked(), 2) << "once more at the least";
  EXPECT_EQ(store_->event(accepted->id)->jobs.at(0).counters.accepted, 0u);
  start();
  EXPECT_EQ(completed(accepted->id).jobs.at(0).counters.accepted, 20u);
}

TEST_F(EngineTest, AnEventThatBeganWithOneCredentialIsCompletedWithTheNext) {
  subscribe(20);
  limits_.retry_first_ms = 1;
  start(/*silent=*/true);
  const auto accepted = engine_->publish(hello());
  ASSERT_TRUE(accepted);
  engine_->set_credential_alarm("video", push::Platform::kApns, "it is refused");
  EXPECT_EQ(engine_->stats().lanes.at(0).credential_alarm, "it is refused");

  auto seat = engine_->new_seat("video", push::Platform::kApns);
  auto next = std::make_unique<AgreeingProvider>(*seat, /*silent=*/false);
  engine_->replace_provider("video", std::move(next), std::move(seat));
  engine_->set_credential_alarm("video", push::Platform::kApns, "");
  // Whatever the silent one was given comes back when it is closed.
  while (engine_->close_replaced() > 0) {
  }
  EXPECT_EQ(completed(accepted->id).jobs.at(0).counters.accepted, 20u);
  EXPECT_EQ(engine_->stats().lanes.at(0).credentials_replaced, 1u);
  EXPECT_EQ(engine_->stats().lanes.at(0).credential_alarm, "");
}

TEST_F(EngineTest, DrainingInTheMiddleOfASendLeavesNothingWithoutAVerdict) {
  limits_.batch_devices = 8;
  subscribe(300);
  for (int round = 0; round < 20; ++round) {
    start();
    ASSERT_TRUE(engine_->publish(hello()));
    engine_->drain(0ms);  // a batch submitted to a closed provider would be waited for in vain
    EXPECT_EQ(engine_->stats().handed_out, 0u);
  }
}

TEST_F(EngineTest, ManyPublishersAtOnceLoseNothing) {
  subscribe(7);
  start();
  constexpr int kPublishers = 4, kEvents = 25;
  std::vector<std::vector<store::EventId>> ids(kPublishers);
  std::vector<std::thread> publishers;
  for (int i = 0; i < kPublishers; ++i) {
    publishers.emplace_back([&, i] {
      for (int n = 0; n < kEvents; ++n) {
        if (auto accepted = engine_->publish(hello())) ids[i].push_back(accepted->id);
      }
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  for (const auto& mine : ids) {
    ASSERT_EQ(mine.size(), static_cast<std::size_t>(kEvents));
    for (const auto& id : mine) EXPECT_EQ(completed(id).jobs.at(0).counters.accepted, 7u);
  }
  engine_->drain(1s);
  EXPECT_EQ(engine_->stats().lanes.at(0).submitted, 7u * kPublishers * kEvents);
  EXPECT_EQ(engine_->stats().handed_out, 0u);
}

TEST_F(EngineTest, WhoDoesNotWaitForTheCommitHearsOfItOnce) {
  subscribe(3);
  start();
  std::mutex mutex;
  std::vector<store::EventId> accepted;
  std::atomic<int> refused{0};
  for (int i = 0; i < 100; ++i) {
    Publication publication = hello();
    if (i % 10 == 0) publication.app = "audio";
    if (i % 10 == 1)
      publication.audience.topics = {std::string(1'000, 'x')};  // the store's to refuse
    engine_->publish(std::move(publication), [&](auto result) {
      if (!result) {
        ++refused;
        return;
      }
      const std::lock_guard lock(mutex);
      accepted.push_back(result->id);
    });
  }
  engine_->drain(10s);
  ASSERT_TRUE(store_->check_writable()) << "after which the last of them has heard, too";
  EXPECT_EQ(refused, 20);
  ASSERT_EQ(accepted.size(), 80u);
  start();
  for (const auto& id : accepted) EXPECT_EQ(completed(id).jobs.at(0).counters.accepted, 3u);
}

TEST_F(EngineTest, DrainingWaitsForEventsThatAreOnTheirWayToTheStore) {
  subscribe(1);
  for (int round = 0; round < 10; ++round) {
    start();
    std::atomic<int> heard{0};
    for (int i = 0; i < 20; ++i) {
      engine_->publish(hello(), [&](auto) { ++heard; });
    }
    engine_.reset();
    EXPECT_GE(heard, 19) << "round " << round << "; of the last the engine has heard";
    ASSERT_TRUE(store_->check_writable()) << "which comes after it";
    EXPECT_EQ(heard, 20) << "round " << round;
  }
}

}  // namespace
}  // namespace carillon::fanout
