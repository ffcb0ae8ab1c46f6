#include "relay/fanout/plan.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage/sqlite/sqlite_store.h"
#include "tests/relay/fanout/scripted_provider.h"
#include "tests/relay/import/memory_store.h"
#include "tests/temporary_folder.h"

namespace carillon::fanout::plan_test {
namespace {

using push::Platform;
using push::PlatformWord;

// Keeps questions until the test answers them.
class AskedProvider final : public ScriptedProvider {
 public:
  AskedProvider() : ScriptedProvider(Platform::kFcm) {}
  void validate(std::shared_ptr<const push::RenderedMessage>, std::string_view token,
                push::HearWord hear) override {
    if (on_question) on_question();
    const std::lock_guard lock(mutex_);
    tokens.emplace_back(token);
    if (said) return hear(*said);
    kept.push_back(std::move(hear));
  }
  std::size_t asked() {
    const std::lock_guard lock(mutex_);
    return tokens.size();
  }
  void answer_all(const PlatformWord& word) {
    const std::lock_guard lock(mutex_);
    for (const auto& hear : std::exchange(kept, {})) hear(word);
  }

  std::function<void()> on_question;
  std::optional<PlatformWord> said;
  std::vector<std::string> tokens;
  std::vector<push::HearWord> kept;

 private:
  std::mutex mutex_;
};

class PlanTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = store::open_sqlite_store({.path = folder_ / "test.db", .create = true});
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
    planner_ = std::make_unique<Planner>(*store_);
    put("a-1", store::Platform::kApns, std::string(64, 'a'));
    put("f-1", store::Platform::kFcm, "token-1");
    put("f-2", store::Platform::kFcm, "token-2");
    put("w-1", store::Platform::kWebPush, "https://push.example.com/1 key secret");
  }
  void TearDown() override {
    planner_.reset();
    store_.reset();
  }
  void put(const std::string& name, store::Platform platform, const std::string& token) {
    const std::string_view topics[] = {"news"};
    ASSERT_TRUE(store_->put_device({.app = "video",
                                    .device = name,
                                    .platform = platform,
                                    .token = token,
                                    .subscriber = name,
                                    .topics = topics},
                                   1));
  }
  std::vector<Planner::Rendered> rendered() {
    const auto message = std::make_shared<push::RenderedMessage>();
    message->body = "12345";
    return {{.platform = Platform::kApns, .provider = &apns_, .message = message},
            {.platform = Platform::kFcm, .provider = &fcm_, .message = message},
            {.platform = Platform::kWebPush}};
  }
  static Publication to_topic() {
    Publication publication{.app = "video"};
    publication.audience.topics = {"news"};
    return publication;
  }

  const TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Planner> planner_;
  ScriptedProvider apns_;
  AskedProvider fcm_;
};

TEST_F(PlanTest, CountsByPlatformTellsSizesAndAsksFcm) {
  fcm_.said = PlatformWord{.kind = PlatformWord::Kind::kGood, .text = "status 200"};
  const auto plan = planner_->plan(to_topic(), rendered());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->subscribers, 4u);
  ASSERT_EQ(plan->sends.size(), 3u);
  EXPECT_EQ(plan->sends[0].devices, 1u);
  EXPECT_EQ(plan->sends[0].body_bytes, 5u);
  EXPECT_FALSE(plan->sends[0].word) << "Apple has no such question";
  EXPECT_EQ(plan->sends[1].devices, 2u);
  EXPECT_EQ(plan->sends[1].word->kind, PlatformWord::Kind::kGood);
  EXPECT_EQ(plan->sends[2].devices, 1u);
  EXPECT_FALSE(plan->sends[2].body_bytes) << "it has no provider";
  EXPECT_EQ(fcm_.tokens, std::vector<std::string>{""});
  EXPECT_EQ(apns_.open.size() + fcm_.open.size(), 0u) << "nobody is sent to";
}

TEST_F(PlanTest, ANamedDevicesTokenIsWhatFcmIsAskedWith) {
  fcm_.said = PlatformWord{};
  Publication publication{.app = "video"};
  publication.audience.devices = {"nobody", "a-1", "f-2"};
  ASSERT_TRUE(planner_->plan(publication, rendered()));
  EXPECT_EQ(fcm_.tokens, std::vector<std::string>{"token-2"});
}

TEST_F(PlanTest, HoldsItsPlaceWhileItCountsAndNotWhileItWaitsForAWord) {
  auto place = std::make_shared<int>();
  const std::weak_ptr<int> held = place;
  import::MemoryStore counting;
  bool held_by_the_count = false, held_by_the_question = true;
  counting.count_audience = [&](std::string_view, const store::Audience&) {
    held_by_the_count = !held.expired();
    return store::AudienceCount{};
  };
  fcm_.on_question = [&] { held_by_the_question = !held.expired(); };
  fcm_.said = PlatformWord{};
  ASSERT_TRUE(Planner(counting).plan(to_topic(), rendered(), std::move(place)));
  EXPECT_TRUE(held_by_the_count);
  EXPECT_FALSE(held_by_the_question);
}

TEST_F(PlanTest, AServiceThatIsSilentMakesNoPlanFail) {
  Planner impatient(*store_, std::chrono::milliseconds(5));
  const auto plan = impatient.plan(to_topic(), rendered());
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->sends[1].word->kind, PlatformWord::Kind::kUnclear);
  EXPECT_EQ(plan->sends[1].word->text, "no answer within 5 ms");
  fcm_.answer_all({});  // whoever answers late harms nobody
}

TEST_F(PlanTest, NoMorePlansThanTwoWaitForAWord) {
  planner_ = std::make_unique<Planner>(*store_, std::chrono::minutes(10));  // until it is answered
  std::vector<std::thread> waiting;
  for (std::size_t i = 0; i < kPlansAskingMax; ++i) {
    waiting.emplace_back([this] {
      const auto plan = planner_->plan(to_topic(), rendered());
      ASSERT_TRUE(plan);
      EXPECT_EQ(plan->sends[1].word->text, "status 200");
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (fcm_.asked() < kPlansAskingMax && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  const auto beyond = planner_->plan(to_topic(), rendered());
  fcm_.answer_all({.kind = PlatformWord::Kind::kGood, .text = "status 200"});
  for (std::thread& one : waiting) one.join();
  ASSERT_TRUE(beyond);
  EXPECT_EQ(beyond->sends[1].word->text, "too many plans are asked about");
}

}  // namespace
}  // namespace carillon::fanout::plan_test
