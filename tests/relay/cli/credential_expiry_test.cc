#include "relay/cli/credential_expiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::cli::credential_expiry_test {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using testing::HasSubstr;

const sys_seconds kNow{seconds(1'800'000'000)};  // 2027-01-15T08:00:00Z

std::optional<ExpiryWord> word(sys_seconds expires_at) {
  return expiry_word("video", push::Platform::kApns, expires_at, kNow);
}

TEST(CredentialExpiry, IsSilentOnWhatHasNoEndOrAFarOne) {
  EXPECT_FALSE(word({}));
  EXPECT_FALSE(word(kNow + kExpiryWarning + seconds(1)));
}

TEST(CredentialExpiry, WarnsForThirtyDays) {
  const auto first = word(kNow + kExpiryWarning);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->expired);
  EXPECT_EQ(first->sentence,
            "[apps.video.apns] the certificate ends on 2027-02-14T08:00:00Z, in 30 days: get a new "
            "one");
  EXPECT_THAT(word(kNow + days(1))->sentence, HasSubstr("in 1 day:"));
  const auto last = word(kNow + seconds(1));
  EXPECT_FALSE(last->expired);
  EXPECT_THAT(last->sentence, HasSubstr("in less than a day"));
}

TEST(CredentialExpiry, CallsItEndedFromItsLastSecondOn) {
  for (const sys_seconds end : {kNow, kNow - hours(1)}) {
    ASSERT_TRUE(word(end));
    EXPECT_TRUE(word(end)->expired);
    EXPECT_THAT(word(end)->sentence, HasSubstr("has ended on 2027-01-15T0"));
  }
}

}  // namespace
}  // namespace carillon::cli::credential_expiry_test
