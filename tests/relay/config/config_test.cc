#include "relay/config/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "relay/config/limits.h"
#include "relay/config/section.h"
#include "tests/temporary_folder.h"

namespace carillon::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

const fs::path kExample = fs::path(CARILLON_SOURCE_DIR) / "deploy" / "carillon.example.toml";

// The least that is a config.
constexpr const char* kMinimal = R"([apps.video.fcm]
service_account_file = "sa.json"
)";

class ConfigTest : public testing::Test {
 protected:
  tl::expected<Config, std::vector<Problem>> load(const std::string& text) {
    std::ofstream(file_) << text;
    return load_config(file_);
  }
  // "12: message" for each problem, the file's name cut off.
  std::vector<std::string> problems(const std::string& text) {
    const auto config = load(text);
    std::vector<std::string> found;
    if (config) return found;
    for (const Problem& problem : config.error()) {
      EXPECT_EQ(problem.where.substr(0, file_.string().size()), file_.string());
      const std::string behind = problem.where.substr(file_.string().size());
      found.push_back(
          fmt::format("{}: {}", behind.empty() ? "" : behind.substr(1), problem.message));
    }
    return found;
  }

  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
  const fs::path file_ = folder_ / "carillon.toml";
};

TEST_F(ConfigTest, TheLeastThatIsAConfigHasEveryDefault) {
  const auto config = load(kMinimal);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->http.listen, Http().listen);
  EXPECT_EQ(config->fanout.repeat_bound, Fanout().repeat_bound);
  EXPECT_EQ(config->store.path, folder_ / "carillon.db");
  ASSERT_EQ(config->apps.size(), 1U);
  EXPECT_FALSE(config->apps.at("video").apns);
  EXPECT_EQ(config->apps.at("video").fcm->service_account_file, (folder_ / "sa.json").string());
}

TEST_F(ConfigTest, GooglesQuotaIsTheDefaultAtGoogleAndNowhereElse) {
  EXPECT_EQ(load(kMinimal)->apps.at("video").fcm_rate.per_minute, 600'000U);
  const std::string elsewhere = std::string(kMinimal) + "endpoint = \"https://localhost:9444\"\n";
  EXPECT_EQ(load(elsewhere)->apps.at("video").fcm_rate, Rate());
  EXPECT_EQ(load(elsewhere + "rate_per_minute = 7\nramp_up_ms = 1000\n")->apps.at("video").fcm_rate,
            (Rate{.per_minute = 7, .ramp_up_ms = 1'000}));
}

TEST_F(ConfigTest, EachProviderHasARateOfItsOwn) {
  const auto config = load(R"(
[apps.video.apns]
key_file = "k.p8"
key_id = "ABC123DEFG"
team_id = "DEF123GHIJ"
bundle_id = "com.example.video"
rate_per_minute = 1
[apps.video.fcm]
service_account_file = "sa.json"
rate_per_minute = 2
[apps.video.webpush]
vapid_key_file = "vapid.pem"
subject = "mailto:push@example.com"
origins = ["push.example.com"]
rate_per_minute = 3
ramp_up_ms = 1000
)");
  ASSERT_TRUE(config);
  const App& app = config->apps.at("video");
  EXPECT_EQ(app.rate(push::Platform::kApns).per_minute, 1U);
  EXPECT_EQ(app.rate(push::Platform::kFcm).per_minute, 2U);
  EXPECT_EQ(app.rate(push::Platform::kWebPush), (Rate{.per_minute = 3, .ramp_up_ms = 1'000}));
}

TEST_F(ConfigTest, StaleDevicesAreLeftOutBeforeTheyAreRemoved) {
  const std::string stale = std::string(kMinimal) + "[apps.video.stale]\n";
  EXPECT_EQ(load(kMinimal)->apps.at("video").stale, Stale());
  const auto both = load(stale + "leave_out_after_days = 90\nremove_after_days = 91\n");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->apps.at("video").stale,
            (Stale{.leave_out_after_days = 90, .remove_after_days = 91}));
  EXPECT_TRUE(load(stale + "leave_out_after_days = 3660\n")) << "never removed";
  EXPECT_TRUE(load(stale + "remove_after_days = 1\n")) << "at once";
  EXPECT_EQ(problems(stale + "leave_out_after_days = 90\nremove_after_days = 90\n"),
            std::vector<std::string>{"5: apps.video.stale.remove_after_days must be more than "
                                     "leave_out_after_days (90), or 0 for never"});
  EXPECT_EQ(problems(stale + "remove_after_days = 3661\n").size(), 1U);
  EXPECT_EQ(problems(stale + "remove_after_days = -1\n").size(), 1U);
}

TEST_F(ConfigTest, EveryKeyArrives) {
  const auto config = load(R"(
[http]
listen = "[::1]:0"
threads = 2
connections_max = 3
body_bytes_max = 4096
head_bytes_max = 5000
head_timeout_ms = 600
body_timeout_ms = 700
idle_timeout_ms = 800
[store]
path = "/var/lib/carillon/c.db"
group_commit_max = 9
group_commit_wait_ms = 0
idempotency_hours = 11
[outcomes]
rows = 12
days = 21
[fanout]
repeat_bound = 1200
batch_devices = 13
checkpoint_interval_ms = 14
attempts_max = 15
retry_first_ms = 16
retry_max_ms = 17
apns_unavailable_ms = 19
fcm_unavailable_ms = 20
retries_per_job_max = 18
dead_percent_max = 21
dead_answers_min = 22
drain_ms = 0
[log]
level = "warning"
core_files = true
[apps.video.apns]
endpoint = "https://localhost:9443"
ca_file = "ca.pem"
key_file = "../k.p8"
key_id = "ABCDE12345"
team_id = "TEAM123456"
bundle_id = "com.example"
connections_max = 2
streams_max = 50
connect_max_ms = 101
request_timeout_ms = 102
queued_max_ms = 103
stuck_after_ms = 104
idle_after_ms = 1005
ping_max_ms = 106
[apps.shop.fcm]
endpoint = "https://localhost:9444"
ca_file = "/ca.pem"
service_account_file = "sa.json"
project = "p-1"
token_uri = "https://localhost:9444/token"
connections_max = 3
ping_max_ms = 107
)");
  ASSERT_TRUE(config) << config.error().front().where << config.error().front().message;
  EXPECT_EQ(config->http.listen, "[::1]:0");
  EXPECT_EQ(config->http.threads, 2U);
  EXPECT_EQ(config->http.connections_max, 3U);
  EXPECT_EQ(config->http.body_bytes_max, 4096U);
  EXPECT_EQ(config->http.head_bytes_max, 5000U);
  EXPECT_EQ(config->http.head_timeout_ms, 600U);
  EXPECT_EQ(config->http.body_timeout_ms, 700U);
  EXPECT_EQ(config->http.idle_timeout_ms, 800U);
  EXPECT_EQ(config->store.path, "/var/lib/carillon/c.db");
  EXPECT_EQ(config->store.group_commit_max, 9U);
  EXPECT_EQ(config->store.group_commit_wait_ms, 0U);
  EXPECT_EQ(config->store.idempotency_hours, 11U);
  EXPECT_EQ(config->store.outcome_rows, 12U);
  EXPECT_EQ(config->store.outcome_days, 21U);
  EXPECT_EQ(config->fanout.repeat_bound, 1200U);
  EXPECT_EQ(config->fanout.batch_devices, 13U);
  EXPECT_EQ(config->fanout.checkpoint_interval_ms, 14U);
  EXPECT_EQ(config->fanout.attempts_max, 15U);
  EXPECT_EQ(config->fanout.retry_first_ms, 16U);
  EXPECT_EQ(config->fanout.retry_max_ms, 17U);
  EXPECT_EQ(config->fanout.apns_unavailable_ms, 19U);
  EXPECT_EQ(config->fanout.fcm_unavailable_ms, 20U);
  EXPECT_EQ(config->fanout.retries_per_job_max, 18U);
  EXPECT_EQ(config->fanout.dead_percent_max, 21U);
  EXPECT_EQ(config->fanout.dead_answers_min, 22U);
  EXPECT_EQ(config->fanout.drain_ms, 0U);
  EXPECT_EQ(config->log.level, "warning");
  EXPECT_TRUE(config->log.core_files);
  using std::chrono::milliseconds;
  const push::ApnsConfig& apns = *config->apps.at("video").apns;
  EXPECT_EQ(apns.endpoint, "https://localhost:9443");
  EXPECT_EQ(apns.ca_file, (folder_ / "ca.pem").string());
  EXPECT_EQ(apns.key_file, (folder_ / "../k.p8").string());
  EXPECT_EQ(apns.key_id, "ABCDE12345");
  EXPECT_EQ(apns.team_id, "TEAM123456");
  EXPECT_EQ(apns.bundle_id, "com.example");
  EXPECT_EQ(apns.connections_max, 2U);
  EXPECT_EQ(apns.streams_max, 50U);
  EXPECT_EQ(apns.connect_max, milliseconds(101));
  EXPECT_EQ(apns.request_timeout, milliseconds(102));
  EXPECT_EQ(apns.queued_max, milliseconds(103));
  EXPECT_EQ(apns.stuck_after, milliseconds(104));
  EXPECT_EQ(apns.idle_after, milliseconds(1005));
  EXPECT_EQ(apns.ping_max, milliseconds(106));
  const push::FcmConfig& fcm = *config->apps.at("shop").fcm;
  EXPECT_EQ(fcm.endpoint, "https://localhost:9444");
  EXPECT_EQ(fcm.ca_file, "/ca.pem");
  EXPECT_EQ(fcm.service_account_file, (folder_ / "sa.json").string());
  EXPECT_EQ(fcm.project, "p-1");
  EXPECT_EQ(fcm.token_uri, "https://localhost:9444/token");
  EXPECT_EQ(fcm.connections_max, 3U);
  EXPECT_EQ(fcm.ping_max, milliseconds(107));
}

TEST_F(ConfigTest, TellsAllMistakesAtOnceWithTheirLines) {
  EXPECT_THAT(problems(R"([http]
listen = 8080
threads = "many"
bdoy_bytes_max = 1

[fanout]
repeat_bound = 0

[metrics]
on = true

[apps.video.apns]
endpoint = "http://api.push.apple.com"
channels_endpoint = "localhost"
key_file = ""
key_id = "SHORT"
bundle_id = "com.example"

[apps."my app".fcm]
service_account_file = "sa.json"

[apps.shop]
)"),
              ElementsAre("2: http.listen must be a text in quotes",
                          "3: http.threads must be a whole number",
                          "4: http.bdoy_bytes_max is not a known key; did you mean "
                          "\"body_bytes_max\"?",
                          "7: fanout.repeat_bound must be 1 to 1048576, not 0",
                          "9: metrics is not a known key",
                          "12: [apps.video.apns] lacks the key \"team_id\"",
                          "13: apps.video.apns.endpoint must be an https:// URL",
                          "14: apps.video.apns.channels_endpoint must be an https:// URL",
                          "15: apps.video.apns.key_file must not be empty",
                          "16: apps.video.apns.key_id must have 10 characters",
                          "19: the app's name \"my app\" must be 1 to 64 of A-Z a-z 0-9 . _ -",
                          "22: [apps.shop] has no provider: add [apps.shop.apns], "
                          "[apps.shop.fcm] or [apps.shop.webpush]"));
}

TEST_F(ConfigTest, WhatAProviderIsMadeFromIsItsSectionButForTheRateAndTheFilesItNames) {
  const auto basis = [&](const std::string& more) {
    const auto config = load(kMinimal + more);
    EXPECT_TRUE(config);
    return config->apps.at("video").basis.at(push::Platform::kFcm);
  };
  const Basis plain = basis("");
  EXPECT_THAT(plain.files, ElementsAre(folder_ / "sa.json"));
  EXPECT_EQ(basis("rate_per_minute = 5\nramp_up_ms = 60000 # slowly\n").text, plain.text);
  EXPECT_NE(basis("project = \"p\"\n").text, plain.text);
  EXPECT_THAT(basis("ca_file = \"/etc/ca.pem\"\n").files,
              testing::UnorderedElementsAre(folder_ / "sa.json", fs::path("/etc/ca.pem")));
}

TEST_F(ConfigTest, EachMistakeHasItsLineAndSentence) {
  const struct {
    const char* text;
    const char* problem;
  } kCases[] = {
      {"",
       "1: there is no app: add [apps.NAME.apns], [apps.NAME.fcm] or "
       "[apps.NAME.webpush]"},
      {"\n\n[apps]\n",
       "3: there is no app: add [apps.NAME.apns], [apps.NAME.fcm] or "
       "[apps.NAME.webpush]"},
      {"[apps.video.apns]\nbundle_id = \"b\"\ncertificate_file = \"c.p12\"\nkey_id = "
       "\"ABCDE12345\"\n",
       "3: apps.video.apns.certificate_file must not stand beside key_file, key_id and team_id: it "
       "is one or the other"},
      {"[apps.video.apns]\nbundle_id = \"b\"\n", "1: [apps.video.apns] lacks the key \"key_file\""},
      {"[apps.video.apns]\ncertificate_file = \"c.p12\"\n",
       "1: [apps.video.apns] lacks the key \"bundle_id\""},
      {"[apps.video.apns]\ncertificate_password_file = \"c\"\n",
       "2: apps.video.apns.certificate_password_file is of use beside certificate_file only"},
      {"apps = 3\n", "1: apps must be a table: [apps]"},
      {"[apps]\nvideo = 3\n", "2: apps.video must be a table: [apps.video]"},
      {"[apps.video]\nfcm = true\n", "2: apps.video.fcm must be a table: [apps.video.fcm]"},
      {"[apps.video.webpush]\n", "1: [apps.video.webpush] lacks the key \"vapid_key_file\""},
      {"[apps.video.webpush]\n", "1: [apps.video.webpush] lacks the key \"subject\""},
      {"[apps.video.webpush]\norigins = []\n",
       "2: apps.video.webpush.origins must name one push service at least"},
      {"[apps.video.webpush]\norigins = [\"push.test\", 3]\n",
       "2: apps.video.webpush.origins must be a list of texts in quotes"},
      {"[apps.video.webpush]\norigins = \"push.test\"\n",
       "2: apps.video.webpush.origins must be a list of texts in quotes"},
      {"[apps.video.webpush]\norigins = [\"https://push.test\"]\n",
       "2: apps.video.webpush.origins is wrong: \"https://push.test\" must be a host, such as "
       "push.example.com, push.example.com:8443 or *.push.example.com, in lower case"},
      {"[apps.video.webpush]\nallow_private_addresses = 1\n",
       "2: apps.video.webpush.allow_private_addresses must be true or false"},
      {"[apps.video.webpush]\norigins_max = 0\n",
       "2: apps.video.webpush.origins_max must be 1 to 4096, not 0"},
      {"[apps.video.webpush]\nencryption_threads = 65\n",
       "2: apps.video.webpush.encryption_threads must be 0 to 64, not 65"},
      {"[apps.video.webpush]\nendpoint = \"https://push.test\"\n",
       "2: apps.video.webpush.endpoint is not a known key"},
      {"[apps.video.gcm]\n", "1: apps.video.gcm is not a known key; did you mean \"fcm\"?"},
      {"[apps.video.fcm]\n", "1: [apps.video.fcm] lacks the key \"service_account_file\""},
      {"[apps.video.fcm]\nservice_account_file = 1.5\n",
       "2: apps.video.fcm.service_account_file must be a text in quotes"},
  };
  for (const auto& [text, problem] : kCases) {
    EXPECT_THAT(problems(text), testing::Contains(problem)) << text;
  }
}

TEST_F(ConfigTest, AMistakeInOneValueHasItsLineAndSentence) {
  const struct {
    const char* text;
    const char* problem;
  } kCases[] = {
      {"[[http]]\n", "3: http must be a table: [http]"},
      {"[http]\nlisten = \"8080\"\n",
       "4: http.listen must be ADDRESS:PORT, such as \"127.0.0.1:8080\" or \"[::1]:8080\""},
      {"[http]\nlisten = \"::1:8080\"\n",
       "4: http.listen must be ADDRESS:PORT, such as \"127.0.0.1:8080\" or \"[::1]:8080\""},
      {"[http]\nlisten = \"localhost:65536\"\n",
       "4: http.listen must be ADDRESS:PORT, such as \"127.0.0.1:8080\" or \"[::1]:8080\""},
      {"[store]\npath = \"\"\n", "4: store.path must not be empty"},
      {"[log]\nlevel = \"loud\"\n",
       "4: log.level must be one of trace, debug, info, warning, error"},
      {"token_uri = \"http://x\"\n", "3: apps.video.fcm.token_uri must be an https:// URL"},
      {"streams_max = 101\n",
       "3: apps.video.fcm.streams_max must be at most 100, not 101: Google closes connections that "
       "have more requests at once"},
      {"project = \"\"\n", "3: apps.video.fcm.project must not be empty"},
      {"[fanout]\nrepeat_bound = 100\nbatch_devices = 101\n",
       "5: fanout.batch_devices must not exceed repeat_bound (100): a batch is handed out whole"},
      {"[fanout]\nretry_first_ms = 3600001\n",
       "4: fanout.retry_first_ms must not exceed retry_max_ms (3600000)"},
      {"[http]\nthreads = 16.0\n", "4: http.threads must be a whole number"},
  };
  for (const auto& [text, problem] : kCases) {
    EXPECT_THAT(problems(std::string(kMinimal) + text), ElementsAre(problem)) << text;
  }
}

TEST_F(ConfigTest, EveryNumberHasTwoEnds) {
  const struct {
    const char* section;
    const char* key;
    Range range;
  } kNumbers[] = {
      {"http", "threads", kHttpThreads},
      {"http", "connections_max", kHttpConnections},
      {"http", "body_bytes_max", kHttpBodyBytes},
      {"http", "head_bytes_max", kHttpHeadBytes},
      {"http", "head_timeout_ms", kHttpTimeoutMs},
      {"http", "body_timeout_ms", kHttpTimeoutMs},
      {"http", "idle_timeout_ms", kHttpTimeoutMs},
      {"store", "group_commit_max", kStoreGroupCommit},
      {"store", "group_commit_wait_ms", kStoreGroupCommitWaitMs},
      {"store", "idempotency_hours", kStoreIdempotencyHours},
      {"outcomes", "rows", kOutcomesRows},
      {"outcomes", "days", kOutcomesDays},
      {"fanout", "repeat_bound", {512, kFanoutRepeatBound.max}},  // batch_devices below it
      {"fanout", "batch_devices", kFanoutBatchDevices},
      {"fanout", "checkpoint_interval_ms", kFanoutCheckpointIntervalMs},
      {"fanout", "attempts_max", kFanoutAttempts},
      {"fanout", "retry_max_ms", {1'000, kFanoutRetryMs.max}},  // retry_first_ms below it
      {"fanout", "apns_unavailable_ms", kFanoutRetryMs},
      {"fanout", "fcm_unavailable_ms", kFanoutRetryMs},
      {"fanout", "retries_per_job_max", kFanoutRetriesPerJob},
      {"fanout", "dead_percent_max", kFanoutDeadPercent},
      {"fanout", "dead_answers_min", kFanoutDeadAnswers},
      {"fanout", "drain_ms", kFanoutDrainMs},
      {"apps.video.fcm", "connections_max", kProviderConnections},
      {"apps.video.fcm", "streams_max", {1, push::kFcmStreamsMax}},
      {"apps.video.fcm", "connect_max_ms", kProviderTimeoutMs},
      {"apps.video.fcm", "request_timeout_ms", kProviderTimeoutMs},
      {"apps.video.fcm", "queued_max_ms", kProviderTimeoutMs},
      {"apps.video.fcm", "stuck_after_ms", kProviderTimeoutMs},
      {"apps.video.fcm", "idle_after_ms", kProviderIdleMs},
      {"apps.video.fcm", "ping_max_ms", kProviderTimeoutMs},
      {"apps.video.fcm", "rate_per_minute", kProviderPerMinute},
      {"apps.video.fcm", "ramp_up_ms", kProviderRampUpMs},
  };
  for (const auto& number : kNumbers) {
    const auto with = [&number](std::int64_t value) {
      const bool provider = std::string_view(number.section).starts_with("apps");
      return fmt::format("{}{}{} = {}\n", kMinimal,
                         provider ? std::string() : fmt::format("[{}]\n", number.section),
                         number.key, value);
    };
    EXPECT_THAT(problems(with(number.range.min)), ElementsAre()) << number.key;
    EXPECT_THAT(problems(with(number.range.max)), ElementsAre()) << number.key;
    EXPECT_THAT(problems(with(number.range.min - 1)), ElementsAre(HasSubstr(number.key)))
        << number.key;
    EXPECT_THAT(problems(with(number.range.max + 1)), ElementsAre(HasSubstr(number.key)))
        << number.key;
  }
}

TEST_F(ConfigTest, AFileThatIsNoTomlHasTheFirstMistakesLine) {
  const auto found = problems("[http]\nthreads = = 3\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0], testing::StartsWith("2: "));
  EXPECT_THAT(problems("[log]\nlevel = \"info\"\nlevel = \"info\"\n")[0],
              testing::StartsWith("3: "));
}

TEST_F(ConfigTest, AFileThatCannotBeReadIsOneProblem) {
  const auto missing = load_config(folder_ / "missing.toml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error()[0].where, (folder_ / "missing.toml").string());
  EXPECT_EQ(missing.error()[0].message, "cannot be read: No such file or directory");
  const auto folder = load_config(folder_);
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error()[0].message, "cannot be read: Is a directory");
  std::string huge(kFileBytesMax, '#');
  EXPECT_THAT(problems(huge)[0], HasSubstr("there is no app"));
  EXPECT_THAT(problems(huge + '#')[0], HasSubstr("longer than 1048576 bytes"));
}

TEST_F(ConfigTest, SuggestsOnlyWhatIsNear) {
  const std::vector<std::string> known{"listen", "threads", "idle_timeout_ms"};
  EXPECT_EQ(nearest("lisen", known), "listen");
  EXPECT_EQ(nearest("thread", known), "threads");
  EXPECT_EQ(nearest("idle_timeout", known), "idle_timeout_ms");
  EXPECT_EQ(nearest("metrics", known), "");
  EXPECT_EQ(nearest("x", known), "");
}

// The example is what an operator copies: it may not lag behind the code.
class ExampleConfigTest : public ConfigTest {
 protected:
  static std::string text() {
    std::ostringstream text;
    text << std::ifstream(kExample).rdbuf();
    return text.str();
  }
};

TEST_F(ExampleConfigTest, LoadsAndHoldsTheDefaults) {
  const auto config = load_config(kExample);
  ASSERT_TRUE(config) << config.error().front().where << ": " << config.error().front().message;
  const auto defaults = load(R"(
[apps.video.apns]
key_file = "credentials/AuthKey_ABCDE12345.p8"
key_id = "ABCDE12345"
team_id = "TEAM123456"
bundle_id = "com.example.video"
[apps.video.fcm]
service_account_file = "credentials/service-account.json"
)");
  ASSERT_TRUE(defaults);
  EXPECT_EQ(config->http, defaults->http);
  EXPECT_EQ(config->store.path.filename(), defaults->store.path.filename());
  EXPECT_EQ(config->store.group_commit_max, defaults->store.group_commit_max);
  EXPECT_EQ(config->store.group_commit_wait_ms, defaults->store.group_commit_wait_ms);
  EXPECT_EQ(config->store.idempotency_hours, defaults->store.idempotency_hours);
  EXPECT_EQ(config->fanout, defaults->fanout);
  EXPECT_EQ(config->log, defaults->log);
  EXPECT_EQ(config->store.outcome_rows, defaults->store.outcome_rows);
  EXPECT_EQ(config->store.outcome_days, defaults->store.outcome_days);
  const auto connection = [](const auto& provider) {
    return std::tuple(provider.endpoint, provider.ca_file, provider.connections_max,
                      provider.streams_max, provider.connect_max, provider.request_timeout,
                      provider.queued_max, provider.stuck_after, provider.idle_after,
                      provider.ping_max);
  };
  EXPECT_EQ(config->apps.at("video").stale, defaults->apps.at("video").stale);
  EXPECT_EQ(config->apps.at("video").apns_rate, defaults->apps.at("video").apns_rate);
  EXPECT_EQ(config->apps.at("video").fcm_rate, defaults->apps.at("video").fcm_rate);
  EXPECT_EQ(config->apps.at("video").webpush_rate, defaults->apps.at("video").webpush_rate);
  EXPECT_EQ(connection(*config->apps.at("video").apns),
            connection(*defaults->apps.at("video").apns));
  EXPECT_EQ(connection(*config->apps.at("video").fcm), connection(*defaults->apps.at("video").fcm));
}

TEST_F(ExampleConfigTest, NamesEveryKnownKeyInItsSection) {
  std::vector<std::string> named;
  std::string section;
  std::istringstream lines(text());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1);
    if (line.starts_with("# ")) line.erase(0, 2);  // a key may be commented out
    const std::size_t equals = line.find(" = ");
    if (equals != line.npos) named.push_back(section + "." + line.substr(0, equals));
  }
  for (std::string key : known_keys()) {
    if (const auto at = key.find("<app>"); at != key.npos) key.replace(at, 5, "video");
    EXPECT_THAT(named, testing::Contains(key));
  }
}

}  // namespace
}  // namespace carillon::config
