#include "relay/api/event_document.h"

#include <gtest/gtest.h>

#include <chrono>

#include "relay/api/pacemaker.h"

namespace carillon::api {
namespace {

constexpr std::int64_t kNoon = 1'767'355'200'000;  // 2026-01-02T12:00:00Z

std::chrono::system_clock::time_point at(std::int64_t ms) {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(ms));
}

store::EventRecord running_event() {
  store::EventRecord event;
  event.id[15] = 1;
  event.app = "video";
  event.audience.topics = {"channel-42"};
  event.state = store::EventState::kRunning;
  event.accepted_ms = kNoon;
  event.expires_ms = kNoon + 60'000;
  event.first_ms = kNoon + 5;
  event.settled_ms[0] = kNoon + 1'500;
  event.jobs.push_back({.platform = store::Platform::kApns,
                        .state = store::EventState::kRunning,
                        .counters = {.targeted = 100, .accepted = 40, .rejected = 2}});
  event.jobs.push_back({.platform = store::Platform::kFcm,
                        .state = store::EventState::kCompleted,
                        .counters = {.targeted = 10, .accepted = 9, .dead_lettered = 1}});
  event.reasons.push_back({store::Platform::kApns, "Unregistered", 2});
  return event;
}

TEST(EventDocument, WritesTimesAsRfc3339) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(rfc3339(kNoon + 7), "2026-01-02T12:00:00.007Z");
  EXPECT_EQ(rfc3339(1'709'251'199'999), "2024-02-29T23:59:59.999Z");
  EXPECT_EQ(rfc3339(253'402'300'799'999), "9999-12-31T23:59:59.999Z");
}

TEST(EventDocument, TellsEverythingThatIsKnown) {
  const auto document =
      event_document(running_event(), {.per_second = 1234.567, .forecast_ms = kNoon + 2'000});
  const auto counters = [](int targeted, int accepted, int rejected, int dead, int pending) {
    return nlohmann::json{{"targeted", targeted},  {"accepted", accepted}, {"rejected", rejected},
                          {"expired", 0},          {"suppressed", 0},      {"cancelled", 0},
                          {"dead_lettered", dead}, {"pending", pending}};
  };
  auto apns = counters(100, 40, 2, 0, 58);
  apns["state"] = "running";
  auto fcm = counters(10, 9, 0, 1, 0);
  fcm["state"] = "completed";
  const std::string self = "/v1/events/00000000-0000-0000-0000-000000000001";
  EXPECT_EQ(nlohmann::json(document),
            (nlohmann::json{{"id", "00000000-0000-0000-0000-000000000001"},
                            {"app", "video"},
                            {"topic", "channel-42"},
                            {"audience", {{"topics", {"channel-42"}}}},
                            {"state", "running"},
                            {"priority", "normal"},
                            {"accepted_at", "2026-01-02T12:00:00.000Z"},
                            {"expires_at", "2026-01-02T12:01:00.000Z"},
                            {"counters", counters(110, 49, 2, 1, 58)},
                            {"by_provider", {{"apns", apns}, {"fcm", fcm}}},
                            {"by_reason", {{"apns", {{"Unregistered", 2}}}}},
                            {"rate_limit_per_second", nullptr},
                           {"rate_per_second", 1234.6},
                            {"forecast_at", "2026-01-02T12:00:02.000Z"},
                            {"first_outcome_at", "2026-01-02T12:00:00.005Z"},
                            {"last_outcome_at", nullptr},
                            {"settled_at",
                             {{"50", "2026-01-02T12:00:01.500Z"},
                              {"95", nullptr},
                              {"99", nullptr},
                              {"100", nullptr}}},
                            {"links", {{"self", self}, {"progress", self + "/progress"}}}}));
}

TEST(EventDocument, SaysAllThatTheEventNamed) {
  store::EventRecord event = running_event();
  event.audience.topics = {"a", "b"};
  event.audience.condition = store::Condition{.topic = "c"};
  event.audience_subscribers = 10'000;
  event.audience_devices = 3;
  const auto document = event_document(event, {});
  EXPECT_FALSE(document.contains("topic"));
  EXPECT_EQ(nlohmann::json(document["audience"]), (nlohmann::json{{"topics", {"a", "b"}},
                                                                  {"condition", "'c' in topics"},
                                                                  {"subscribers", 10'000},
                                                                  {"devices", 3}}));
}

TEST(Pacemaker, MeasuresWhatMovedInTheLastSeconds) {
  Pacemaker pacemaker;
  store::EventRecord event = running_event();
  // At first all there is is the average since acceptance: 52 in two seconds.
  EXPECT_DOUBLE_EQ(pacemaker.pace_of(event, at(kNoon + 2'000)).per_second, 26);
  event.jobs[0].counters.accepted += 20;
  const Pace pace = pacemaker.pace_of(event, at(kNoon + 4'000));
  EXPECT_DOUBLE_EQ(pace.per_second, 10);
  EXPECT_EQ(pace.forecast_ms, kNoon + 4'000 + 3'800);
}

TEST(Pacemaker, HasNoForecastForWhatStandsStill) {
  Pacemaker pacemaker;
  const store::EventRecord event = running_event();
  pacemaker.pace_of(event, at(kNoon + 2'000));
  const Pace pace = pacemaker.pace_of(event, at(kNoon + 4'000));
  EXPECT_EQ(pace.per_second, 0);
  EXPECT_FALSE(pace.forecast_ms);
}

TEST(Pacemaker, TellsTheAverageOfWhatIsOver) {
  Pacemaker pacemaker;
  store::EventRecord event = running_event();
  event.state = store::EventState::kCompleted;
  event.jobs[0].counters.accepted = 98;
  event.last_ms = kNoon + 2'000;
  const Pace pace = pacemaker.pace_of(event, at(kNoon + 900'000));
  EXPECT_DOUBLE_EQ(pace.per_second, 55);
  EXPECT_FALSE(pace.forecast_ms);
}

}  // namespace
}  // namespace carillon::api
