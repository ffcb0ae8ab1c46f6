#include "relay/cli/event_progress.h"

#include <gtest/gtest.h>

namespace carillon::cli {
namespace {

constexpr const char* kRunning = R"({
  "id": "01900000-0000-7000-8000-000000000001", "app": "video", "topic": "channel-42",
  "state": "running", "priority": "normal", "accepted_at": "2026-11-21T02:00:00.250Z",
  "counters": {"targeted": 1000003, "accepted": 500000, "rejected": 2, "expired": 0,
    "suppressed": 1, "cancelled": 0, "dead_lettered": 0, "pending": 500000},
  "by_reason": {"apns": {"Unregistered": 1}, "fcm": {"UNREGISTERED": 7}},
  "rate_per_second": 100000.7, "forecast_at": "2026-11-21T02:00:10Z",
  "settled_at": {"50": "2026-11-21T02:00:05.750Z"}, "something_newer": [1, 2]})";

TEST(EventProgress, ReadsTheDocumentAndIgnoresWhatIsNewer) {
  const auto event = parse_event_progress(kRunning);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->state, "running");
  EXPECT_FALSE(event->ended());
  EXPECT_EQ(event->targeted, 1'000'003U);
  EXPECT_EQ(event->pending, 500'000U);
  ASSERT_EQ(event->reasons.size(), 2U);
  EXPECT_EQ(event->reasons[0].reason, "UNREGISTERED") << "the most frequent comes first";
  EXPECT_EQ(event->reasons[0].platform, "fcm");
  EXPECT_EQ(event->settled_at.at("50"), "2026-11-21T02:00:05.750Z");
}

TEST(EventProgress, RefusesWhatIsNoEvent) {
  for (const char* const body : {"", "[]", "{}", "nonsense", R"({"id":"x","state":"running"})",
                                 R"({"id":1,"state":"running","counters":{}})"}) {
    EXPECT_FALSE(parse_event_progress(body)) << body;
  }
}

TEST(EventProgress, ShowsCountsRateAndTimeLeft) {
  const Progress progress = progress_of(*parse_event_progress(kRunning));
  EXPECT_EQ(progress.what, "running");
  EXPECT_NEAR(*progress.fraction, 0.5, 0.001);
  EXPECT_EQ(progress.figures,
            "500,003 of 1,000,003: 500,000 accepted, 2 rejected, 500,000 pending, 100,000/s, "
            "4.9 s left");
}

TEST(EventProgress, AnEventWithoutDevicesIsDone) {
  const auto event = parse_event_progress(
      R"({"id":"e","state":"completed","counters":{"targeted":0,"pending":0}})");
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->ended());
  EXPECT_EQ(*progress_of(*event).fraction, 1.0);
}

TEST(EventProgress, SummarizesEveryCounterReasonsAndTimes) {
  const std::string summary = summary_of(*parse_event_progress(kRunning));
  for (const char* const part :
       {"running\n", "targeted          1,000,003\n", "accepted            500,000\n",
        "suppressed                1\n", "dead-lettered             0\n", "fcm UNREGISTERED: 7\n",
        "apns Unregistered: 1\n", "50 % after 5.5 s\n"}) {
    EXPECT_NE(summary.find(part), std::string::npos) << part << " in\n" << summary;
  }
}

TEST(Rfc3339, ReadsUtcTimesOnly) {
  EXPECT_EQ(parse_rfc3339_utc("1970-01-01T00:00:01Z")->count(), 1'000);
  EXPECT_EQ(parse_rfc3339_utc("1970-01-02T00:00:00.123456Z")->count(), 86'400'123);
  for (const char* const text :
       {"", "1970-01-01", "1970-01-01T00:00:01+01:00", "1970-13-01T00:00:01Z",
        "1970-01-01 00:00:01Z", "aaaa-01-01T00:00:01Z"}) {
    EXPECT_FALSE(parse_rfc3339_utc(text)) << text;
  }
}

}  // namespace
}  // namespace carillon::cli
