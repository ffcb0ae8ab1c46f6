#include "relay/cli/audience_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/audience/condition_parser.h"
#include "relay/cli/exit_code.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/relay/import/memory_store.h"

namespace carillon::cli::audience_command_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class AudienceCommandTest : public testing::Test {
 protected:
  AudienceCommandTest() { config_.apps["video"]; }

  config::Config config_;
  import::MemoryStore store_;
  StringTerminal at_;
};

TEST_F(AudienceCommandTest, CountsWhatTheConditionNames) {
  store_.count_audience = [](std::string_view app, const store::Audience& audience) {
    EXPECT_EQ(app, "video");
    EXPECT_EQ(audience.condition, audience::parse_condition("'a' in topics").value());
    return store::AudienceCount{.subscribers = 1'234'567, .devices = {1'000'000, 300'000, 1}};
  };
  AudienceCountOptions options{.app = "video", .condition = "'a' in topics"};
  EXPECT_EQ(refuse_condition(at_.terminal, config_, options), std::nullopt);
  EXPECT_EQ(run_audience_count(at_.terminal, store_, options), kExitOk);
  EXPECT_THAT(at_.out.str(), HasSubstr("1,234,567 subscribers, 1,300,001 devices: 1,000,000 apns, "
                                       "300,000 fcm, 1 webpush ("));
}

TEST_F(AudienceCommandTest, AnswersAsTheApiDoesIfAskedForJson) {
  store_.count_audience = [](std::string_view, const store::Audience&) {
    return store::AudienceCount{.subscribers = 4, .devices = {3, 2, 1}};
  };
  EXPECT_EQ(run_audience_count(at_.terminal, store_,
                               {.app = "video", .condition = "'a' in topics", .json = true}),
            kExitOk);
  EXPECT_THAT(at_.out.str(), StartsWith(R"({"subscribers":4,"devices":6,"by_platform":{"apns":3,)"
                                        R"("fcm":2,"webpush":1},"took_ms":)"));
}

TEST_F(AudienceCommandTest, ShowsWhereAConditionIsWrong) {
  AudienceCountOptions options{.app = "video", .condition = "locale == 'de' && platform == 'ios'"};
  EXPECT_EQ(refuse_condition(at_.terminal, config_, options), kExitUsage);
  EXPECT_EQ(at_.err.str(),
            "locale == 'de' && platform == 'ios'\n"
            "                              ^\n"
            "carillon: what begins at character 31 must be 'apns', 'fcm' or 'webpush'\n");
}

TEST_F(AudienceCommandTest, KnowsTheAppsOfTheConfig) {
  AudienceCountOptions options{.app = "vidoe", .condition = "'a' in topics"};
  EXPECT_EQ(refuse_condition(at_.terminal, config_, options), kExitUsage);
  EXPECT_THAT(at_.err.str(), HasSubstr("--app vidoe: there is no such app"));
}

TEST_F(AudienceCommandTest, TakesTheOnlyAppOfTheConfig) {
  AudienceCountOptions options{.condition = "'a' in topics"};
  EXPECT_EQ(refuse_condition(at_.terminal, config_, options), std::nullopt);
  EXPECT_EQ(options.app, "video");
}

TEST_F(AudienceCommandTest, OfSeveralAppsItHasToBeToldWhich) {
  config_.apps["mail"];
  AudienceCountOptions options{.condition = "'a' in topics"};
  EXPECT_EQ(refuse_condition(at_.terminal, config_, options), kExitUsage);
  EXPECT_EQ(at_.err.str(), "carillon: say with --app which of the config's apps: mail, video\n");
  EXPECT_EQ(options.app, "");
}

TEST_F(AudienceCommandTest, TellsWhatTheStoreSays) {
  store_.count_audience = [](std::string_view, const store::Audience&) {
    return tl::unexpected(
        store::Error{.kind = store::Error::Kind::kIo, .message = "the disk is gone"});
  };
  EXPECT_EQ(
      run_audience_count(at_.terminal, store_, {.app = "video", .condition = "'a' in topics"}),
      kExitFailure);
  EXPECT_EQ(at_.err.str(), "carillon: the disk is gone\n");
}

}  // namespace
}  // namespace carillon::cli::audience_command_test
