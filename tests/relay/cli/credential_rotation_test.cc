#include "relay/cli/credential_rotation.h"
#include "tests/temporary_folder.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace carillon::cli::credential_rotation_test {
namespace {

using namespace std::chrono_literals;
using push::PlatformWord;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

class NoVerdicts final : public push::VerdictSink {
 public:
  void on_verdicts(std::span<const push::Verdict>) noexcept override {}
};

// Says about itself what the test says.
class AskedProvider final : public push::Provider {
 public:
  AskedProvider(push::Platform platform, int& alive, std::vector<push::HearWord>& asked)
      : platform_(platform), alive_(alive), asked_(asked) {
    ++alive_;
  }
  ~AskedProvider() override { --alive_; }
  push::Platform platform() const noexcept override { return platform_; }
  tl::expected<push::RenderedMessage, push::RenderError> render(
      const push::Notification&, std::chrono::system_clock::time_point) const override {
    return push::RenderedMessage{};
  }
  void submit(push::PushBatch) override {}
  std::size_t window() const noexcept override { return 1; }
  push::ProviderHealth health() const override { return {.last_error = "no route"}; }
  void probe(push::HearWord hear) override { asked_.push_back(std::move(hear)); }
  void close(std::chrono::milliseconds) override {}

 private:
  const push::Platform platform_;
  int& alive_;
  std::vector<push::HearWord>& asked_;
};

class CredentialRotationTest : public testing::Test {
 protected:
  CredentialRotationTest() {
    write("apns.p8", "first");
    write("account.json", "account");
    write_vapid_key("vapid.pem");
    write_config();
    rotation_ = std::make_unique<CredentialRotation>(*config::load_config(config_), house());
  }
  ~CredentialRotationTest() override {
    rotation_.reset();
    EXPECT_EQ(alive_, static_cast<int>(adopted_.size()));
    adopted_.clear();
  }

  void write(const std::string& name, const std::string& text) {
    // As editors do: beside it, then in its place, so that it is another file.
    std::ofstream(folder_ / "half") << text;
    fs::rename(folder_ / "half", folder_ / name);
  }
  void write_vapid_key(const std::string& name) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                  EVP_PKEY_free);
    FILE* const file = fopen((folder_ / name).c_str(), "w");
    ASSERT_EQ(PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    fclose(file);
  }
  void write_config(const std::string& apns = "key_id = \"ABCDE12345\"",
                    const std::string& webpush = "subject = \"mailto:a@example.com\"") {
    std::ofstream(config_) << fmt::format(R"(
[apps.video.apns]
key_file = "apns.p8"
team_id = "TEAM123456"
bundle_id = "com.example.video"
{}
[apps.shop.fcm]
service_account_file = "account.json"
[apps.shop.webpush]
vapid_key_file = "vapid.pem"
{}
)",
                                          apns, webpush);
  }
  CredentialRotation::House house() {
    return {.load = [this] { return config::load_config(config_); },
            .make = [this](const std::string& app, const config::App&, push::Platform platform)
                -> tl::expected<CredentialRotation::Candidate, std::vector<std::string>> {
              made_.push_back(app);
              if (!problem_.empty()) return tl::unexpected(std::vector<std::string>{problem_});
              return CredentialRotation::Candidate{
                  .seat = std::make_shared<fanout::ProviderSeat>(sink_),
                  .provider = std::make_unique<AskedProvider>(platform, alive_, asked_)};
            },
            .adopt =
                [this](const std::string& app, CredentialRotation::Candidate candidate) {
                  adopted_.emplace_back(app, std::move(candidate.provider));
                },
            .alarm = [this](const std::string& app, push::Platform,
                            std::string alarm) { alarms_[app] = std::move(alarm); },
            .close_replaced = [this] { return left_; },
            .now = [this] { return now_; }};
  }
  std::vector<std::string> adopted() const {
    std::vector<std::string> apps;
    for (const auto& [app, provider] : adopted_) apps.push_back(app);
    return apps;
  }
  // Of the question that was asked last.
  void answer(PlatformWord::Kind kind, std::string text = "Word (status 403)") {
    ASSERT_FALSE(asked_.empty());
    asked_.back()({.kind = kind, .text = std::move(text)});
    rotation_->work();
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    rotation_->work();
  }

  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
  const fs::path config_ = folder_ / "carillon.toml";
  NoVerdicts sink_;
  CredentialRotation::Clock::time_point now_{1h};
  int alive_ = 0;
  std::string problem_;
  std::size_t left_ = 0;
  std::vector<push::HearWord> asked_;
  std::vector<std::string> made_;
  std::vector<std::pair<std::string, std::unique_ptr<push::Provider>>> adopted_;
  std::map<std::string, std::string> alarms_;
  std::unique_ptr<CredentialRotation> rotation_;
};

TEST_F(CredentialRotationTest, NothingIsTriedThatHasNotChanged) {
  rotation_->reread();
  for (int look = 0; look < 5; ++look) pass(CredentialRotation::kLookInterval);
  write_config("key_id = \"ABCDE12345\" # a comment\nrate_per_minute = 5");
  rotation_->reread();
  EXPECT_THAT(made_, IsEmpty());
  EXPECT_THAT(alarms_, IsEmpty());
}

TEST_F(CredentialRotationTest, AnotherKeyIdInTheConfigIsTriedAndThenTaken) {
  write_config("key_id = \"OTHER12345\"");
  rotation_->reread();
  EXPECT_THAT(made_, ElementsAre("video"));
  EXPECT_EQ(rotation_->work(), CredentialRotation::kWaitStep);
  EXPECT_THAT(adopted(), IsEmpty()) << "Apple has said nothing yet";
  answer(PlatformWord::Kind::kGood);
  EXPECT_THAT(adopted(), ElementsAre("video"));
  rotation_->reread();
  EXPECT_THAT(made_, ElementsAre("video")) << "it is in use now";
}

TEST_F(CredentialRotationTest, AFileThatChangesIsTriedWhenTwoLooksFindTheSame) {
  write("apns.p8", "second");
  pass(CredentialRotation::kLookInterval);
  EXPECT_THAT(made_, IsEmpty()) << "perhaps somebody is writing it";
  write("apns.p8", "second, and more");
  pass(CredentialRotation::kLookInterval);
  EXPECT_THAT(made_, IsEmpty()) << "somebody is";
  pass(CredentialRotation::kLookInterval - 1ms);
  EXPECT_THAT(made_, IsEmpty());
  pass(1ms);
  EXPECT_THAT(made_, ElementsAre("video"));
  answer(PlatformWord::Kind::kGood);
  EXPECT_THAT(adopted(), ElementsAre("video"));
}

TEST_F(CredentialRotationTest, AFileThatIsTouchedOnlyChangesNothing) {
  write("apns.p8", "first");
  for (int look = 0; look < 3; ++look) pass(CredentialRotation::kLookInterval);
  EXPECT_THAT(made_, IsEmpty());
}

TEST_F(CredentialRotationTest, ARefusedOneIsAnAlarmAndIsTriedAgainUntilItIsTaken) {
  write("apns.p8", "wrong");
  rotation_->reread();
  answer(PlatformWord::Kind::kRefused);
  EXPECT_THAT(adopted(), IsEmpty());
  EXPECT_THAT(alarms_["video"], HasSubstr("refused: Word (status 403)"));
  pass(CredentialRotation::kTryAgainAfter - 1ms);
  EXPECT_EQ(asked_.size(), 1u);
  pass(1ms);
  EXPECT_EQ(asked_.size(), 2u);
  EXPECT_THAT(made_, ElementsAre("video")) << "the same provider, so the same token";
  answer(PlatformWord::Kind::kGood);
  EXPECT_THAT(adopted(), ElementsAre("video"));
  EXPECT_EQ(alarms_["video"], "");
}

TEST_F(CredentialRotationTest, OneThatIsPutBackEndsTheAlarm) {
  write("apns.p8", "wrong");
  rotation_->reread();
  answer(PlatformWord::Kind::kRefused);
  write("apns.p8", "first");
  rotation_->reread();
  EXPECT_EQ(alarms_["video"], "");
  pass(CredentialRotation::kTryAgainAfter);
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_EQ(alive_, 0);
}

TEST_F(CredentialRotationTest, APlatformThatSaysNothingIsAskedAgainLater) {
  write("apns.p8", "second");
  rotation_->reread();
  pass(CredentialRotation::kAnswerMax - 1ms);
  EXPECT_EQ(alarms_.count("video"), 0u);
  pass(1ms);
  EXPECT_THAT(alarms_["video"],
              HasSubstr("could not be tried: no answer within 30000 ms; no route"));
  answer(PlatformWord::Kind::kGood);
  EXPECT_THAT(adopted(), IsEmpty()) << "nobody listens any more";
  pass(CredentialRotation::kTryAgainAfter);
  answer(PlatformWord::Kind::kGood);
  EXPECT_THAT(adopted(), ElementsAre("video"));
}

TEST_F(CredentialRotationTest, AnUnreadableOneIsAnAlarmAndHasNoProvider) {
  problem_ = "key_file: apns.p8 is not a private key in PEM form";
  write("apns.p8", "half a k");
  rotation_->reread();
  EXPECT_EQ(alarms_["video"], problem_);
  EXPECT_THAT(asked_, IsEmpty());
  problem_.clear();
  write("apns.p8", "a key");
  pass(CredentialRotation::kLookInterval);
  pass(CredentialRotation::kLookInterval);
  answer(PlatformWord::Kind::kGood);
  EXPECT_THAT(adopted(), ElementsAre("video"));
  EXPECT_EQ(alarms_["video"], "");
}

TEST_F(CredentialRotationTest, OneAppsCredentialIsNoMatterOfTheOthers) {
  write("account.json", "another");
  rotation_->reread();
  EXPECT_THAT(made_, ElementsAre("shop"));
  answer(PlatformWord::Kind::kRefused);
  write("apns.p8", "second");
  rotation_->reread();
  EXPECT_EQ(asked_.size(), 3u) << "the refused one is tried again at once when somebody asks";
  asked_[1]({.kind = PlatformWord::Kind::kRefused, .text = "still"});
  asked_[2]({.kind = PlatformWord::Kind::kRefused, .text = "no"});
  rotation_->work();
  EXPECT_THAT(alarms_["shop"], HasSubstr("refused"));
  EXPECT_THAT(alarms_["video"], HasSubstr("refused"));
}

TEST_F(CredentialRotationTest, AnotherVapidKeyIsNotTakenAsItWouldLoseEveryBrowser) {
  write_vapid_key("vapid.pem");
  rotation_->reread();
  EXPECT_THAT(adopted(), IsEmpty());
  EXPECT_THAT(alarms_["shop"], HasSubstr("Every browser has subscribed with the one in use"));
  EXPECT_EQ(alive_, 0);
}

TEST_F(CredentialRotationTest, TheSameVapidKeyWithAnotherSubjectIsTakenAtOnce) {
  write_config("key_id = \"ABCDE12345\"", "subject = \"mailto:b@example.com\"");
  rotation_->reread();
  EXPECT_THAT(adopted(), ElementsAre("shop"));
  EXPECT_THAT(asked_, IsEmpty()) << "nobody can be asked about it";
}

TEST_F(CredentialRotationTest, AConfigThatIsWrongIsLeftAloneButNotItsFiles) {
  std::ofstream(config_) << "[apps.video.apns\n";
  write("apns.p8", "second");
  rotation_->reread();
  EXPECT_THAT(made_, ElementsAre("video"));
}

TEST_F(CredentialRotationTest, ReplacedProvidersAreClosedInTime) {
  write("apns.p8", "second");
  rotation_->reread();
  left_ = 1;
  answer(PlatformWord::Kind::kGood);
  EXPECT_EQ(rotation_->work(), CredentialRotation::kWaitStep);
  left_ = 0;
  rotation_->work();
  EXPECT_GT(rotation_->work(), CredentialRotation::kWaitStep);
}

TEST_F(CredentialRotationTest, ACandidateGoesWithTheRelay) {
  write("apns.p8", "second");
  rotation_->reread();
  EXPECT_EQ(alive_, 1);
  rotation_.reset();
  EXPECT_EQ(alive_, 0);
  asked_.back()({});  // whoever answers late harms nobody
}

}  // namespace
}  // namespace carillon::cli::credential_rotation_test
