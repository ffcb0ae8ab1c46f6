#include "relay/api/count_places.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "relay/api/api.h"
#include "tests/relay/api/relay_room.h"
#include "tests/relay/import/memory_store.h"

namespace carillon::api::count_places_test {
namespace {

class CountPlacesTest : public testing::Test {
 protected:
  Reply count() {
    const Admission admission{
        .match = match_route("POST",
                             std::vector<std::string>{"v1", "apps", "video", "audience", "count"})};
    return answer(admission, R"({"topic":"t"})");
  }
  Reply plan() {
    const Admission admission{
        .match = match_route("POST", std::vector<std::string>{"v1", "events"}),
        .target = {.query = {{"plan", "1"}}}};
    return answer(admission, R"({"app":"video","topic":"t","notification":{"title":"x"}})");
  }

  import::MemoryStore store_;
  ScriptedPublisher publisher_;
  Api api_{{.publisher = publisher_,
            .store = store_,
            .apps = {"video"},
            .clocks = real_clocks(),
            .gate_stats = [] { return GateStats(); }}};

 private:
  Reply answer(const Admission& admission, std::string_view body) {
    return api_.answer({}, admission, body, [](const MakeReply&) {}).value();
  }
};

void expect_too_many(const Reply& reply) {
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(nlohmann::json::parse(reply.body)["type"], "urn:carillon:problem:too-many-counts");
  EXPECT_EQ(reply.headers, (decltype(reply.headers){{"Retry-After", "1"}}));
}

TEST_F(CountPlacesTest, WhoeverCountsBeyondTheLimitIsToldToComeAgain) {
  std::promise<void> told;
  const std::shared_future<void> until_told = told.get_future().share();
  std::atomic<std::size_t> begun{0};
  store_.count_audience = [&](std::string_view, const store::Audience&) {
    if (++begun <= kCountsMax) until_told.wait();
    return store::AudienceCount{};
  };
  std::vector<std::thread> held;
  for (std::size_t i = 0; i < kCountsMax; ++i) {
    held.emplace_back([this] { EXPECT_EQ(count().status, 200); });
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (begun < kCountsMax && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(begun, kCountsMax);
  expect_too_many(count());
  expect_too_many(plan());
  told.set_value();
  for (std::thread& one : held) one.join();
  EXPECT_EQ(begun, kCountsMax) << "the store was not asked by those who were turned away";
  EXPECT_EQ(count().status, 200) << "their places are free again";
  EXPECT_EQ(plan().status, 200);
}

TEST_F(CountPlacesTest, APlanTakesOneOfThePlaces) {
  std::size_t begun = 0;
  store_.count_audience = [&](std::string_view, const store::Audience&) {
    if (++begun == 1) expect_too_many(count());
    return store::AudienceCount{};
  };
  publisher_.plan_answer = [this] {
    // The second place is this count's; whoever comes while it runs is the third.
    EXPECT_EQ(count().status, 200);
    return fanout::Plan();
  };
  EXPECT_EQ(plan().status, 200);
  EXPECT_EQ(begun, 1U);
}

TEST(CountPlaces, LeaveTheStoreReadersForWhatIsSent) {
  EXPECT_LT(kCountsMax, store::SqliteStoreOptions().readers_max);
}

}  // namespace
}  // namespace carillon::api::count_places_test
