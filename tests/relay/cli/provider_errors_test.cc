#include "relay/cli/provider_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::cli::provider_errors_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

fanout::LaneStats lane(const char* app, push::Platform platform, const char* error) {
  fanout::LaneStats stats{.app = app, .platform = platform};
  stats.provider.last_error = error;
  return stats;
}

TEST(ProviderErrors, TellsEachErrorOnceAndAgainWhenItIsAnother) {
  ProviderErrors errors;
  const auto apns = push::Platform::kApns;
  EXPECT_THAT(errors.news({lane("video", apns, "")}), IsEmpty());
  EXPECT_THAT(errors.news({lane("video", apns, "GOAWAY, Shutdown")}),
              ElementsAre("[apps.video.apns] GOAWAY, Shutdown"));
  EXPECT_THAT(errors.news({lane("video", apns, "GOAWAY, Shutdown")}), IsEmpty());
  EXPECT_THAT(errors.news({lane("video", apns, "no route")}),
              ElementsAre("[apps.video.apns] no route"));
  EXPECT_THAT(errors.news({lane("video", apns, "")}), IsEmpty()) << "that it is over is no error";
  EXPECT_THAT(errors.news({lane("video", apns, "no route")}),
              ElementsAre("[apps.video.apns] no route"));
}

TEST(ProviderErrors, KeepsAppsAndPlatformsApart) {
  ProviderErrors errors;
  EXPECT_THAT(
      errors.news({lane("a", push::Platform::kApns, "x"), lane("a", push::Platform::kFcm, "x"),
                   lane("b", push::Platform::kApns, "x")}),
      ElementsAre("[apps.a.apns] x", "[apps.a.fcm] x", "[apps.b.apns] x"));
}

}  // namespace
}  // namespace carillon::cli::provider_errors_test
