#include "device-sim/faults/fault_plan.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace device_sim {
namespace {

using nlohmann::json;

TEST(FaultPlan, IsReadBackAsItWasShown) {
  const auto plan = parse_fault_plan({{"unregistered_share", 0.02},
                                      {"wrong_app_share", 0.001},
                                      {"throttled_share", 0.5},
                                      {"unavailable_share", 1},
                                      {"retry_after_s", 7},
                                      {"unregistered_age_s", 60},
                                      {"latency_ms", 25},
                                      {"goaway_every", 50'000},
                                      {"cut_every", 200'000},
                                      {"bad_tokens_per_connection", 9},
                                      {"goaway_reason", "Maintenance"},
                                      {"revoked_apns_key", "ABCDE12345"}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->unregistered_share, 0.02);
  EXPECT_EQ(plan->cut_every, 200'000U);
  EXPECT_EQ(plan->bad_tokens_per_connection, 9U);
  EXPECT_EQ(parse_fault_plan(to_json(*plan)).value(), *plan);
}

TEST(FaultPlan, IsHarmlessByDefault) {
  EXPECT_EQ(parse_fault_plan(json::object()).value(), FaultPlan{});
  EXPECT_EQ(FaultPlan{}.unavailable_share, 0);
}

TEST(FaultPlan, TakesEachLimitAndRefusesWhatIsBeyond) {
  const std::pair<json, bool> kCases[] = {{{{"unregistered_share", 1}}, true},
                                          {{{"unregistered_share", 1.01}}, false},
                                          {{{"unregistered_share", -0.1}}, false},
                                          {{{"unregistered_share", "1"}}, false},
                                          {{{"retry_after_s", 86'400}}, true},
                                          {{{"retry_after_s", 86'401}}, false},
                                          {{{"latency_ms", 60'000}}, true},
                                          {{{"latency_ms", 60'001}}, false},
                                          {{{"latency_ms", 1.5}}, false},
                                          {{{"goaway_every", -1}}, false},
                                          {{{"goaway_every", true}}, false},
                                          {{{"goaway_reason", 1}}, false},
                                          {{{"bad_tokens_per_connection", -1}}, false},
                                          {{{"revoked_apns_key", true}}, false},
                                          {{{"unregistered_age_s", 31'536'000}}, true},
                                          {{{"unregistered_age_s", 31'536'001}}, false},
                                          {{{"cut_evry", 1}}, false},
                                          {json::array(), false},
                                          {json(nullptr), false}};
  for (const auto& [source, good] : kCases) {
    EXPECT_EQ(parse_fault_plan(source).has_value(), good) << source;
  }
}

TEST(FaultPlan, ReportsAllProblemsAtOnce) {
  const auto plan = parse_fault_plan({{"latency_ms", -1}, {"throttled_share", 2}, {"typo", 1}});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().size(), 3U);
}

class FaultPlanFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ =
        std::filesystem::temp_directory_path() / ("faults-" + std::to_string(::getpid()) + ".toml");
  }
  void TearDown() override { std::filesystem::remove(path_); }
  void write(const std::string& text) { std::ofstream(path_) << text; }

  std::filesystem::path path_;
};

TEST_F(FaultPlanFile, IsReadFromToml) {
  write("unregistered_share = 0.02\ngoaway_every = 50000\n");
  const auto plan = read_fault_plan(path_);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->unregistered_share, 0.02);
  EXPECT_EQ(plan->goaway_every, 50'000U);
}

TEST_F(FaultPlanFile, NamesTheLinesAtFault) {
  write("unregistered_share = 0.02\nlatency = 1\ncut_every = [1]\n");
  const auto plan = read_fault_plan(path_);
  ASSERT_FALSE(plan);
  ASSERT_EQ(plan.error().size(), 2U);
  EXPECT_NE((plan.error()[0] + plan.error()[1]).find(":2: 'latency' is not a fault"),
            std::string::npos);
  EXPECT_NE((plan.error()[0] + plan.error()[1]).find(":3: cut_every"), std::string::npos);
}

TEST_F(FaultPlanFile, SaysWhenItCannotBeRead) {
  const auto plan = read_fault_plan("/nonexistent/faults.toml");
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error()[0].find("cannot be read"), std::string::npos) << plan.error()[0];
}

}  // namespace
}  // namespace device_sim
