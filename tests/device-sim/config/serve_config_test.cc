#include "device-sim/config/serve_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/device-sim/test_keys.h"

namespace device_sim {
namespace {

namespace fs = std::filesystem;

class ServeConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("serve-config-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    write("tls.pem", "certificate");
    write("tls.key", "key");
    write("apns.pem", apns_test_key().public_pem());
    write("fcm.pem", fcm_test_key().public_pem());
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  tl::expected<SimulatorOptions, std::vector<std::string>> load(const std::string& text,
                                                                ServeOverrides overrides = {}) {
    write("sim.toml", text);
    overrides.config_path = folder_ / "sim.toml";
    return load_serve_options(overrides);
  }
  // One of the problems contains the text.
  static bool names(const std::vector<std::string>& problems, const std::string& text) {
    return std::any_of(problems.begin(), problems.end(), [&](const std::string& problem) {
      return problem.find(text) != std::string::npos;
    });
  }

  fs::path folder_;
  const std::string good_ = R"(threads = 2
[tls]
certificate = "tls.pem"
key = "tls.key"
[apns]
listen = "127.0.0.1:1"
topics = ["com.example.video"]
[[apns.keys]]
key_id = "ABCDE12345"
team_id = "TEAM123456"
public_key = "apns.pem"
[fcm]
listen = "127.0.0.1:2"
project = "carillon-demo"
client_email = "push@example.com"
public_key = "fcm.pem"
token_uri = "https://localhost:2/token"
[control]
listen = "127.0.0.1:3"
[population]
devices = 5
seed = 6
mix = "apns:1"
[journal]
events_max = 7
memory_mib_max = 8
)";
};

TEST_F(ServeConfigTest, IsReadWholeWithPathsRelativeToIt) {
  const auto options = load(good_);
  ASSERT_TRUE(options) << options.error().front();
  EXPECT_EQ(options->threads, 2U);
  EXPECT_EQ(options->certificate_pem, "certificate");
  EXPECT_EQ(options->apns_listen.port, 1);
  EXPECT_EQ(options->apns.topics, std::vector<std::string>{"com.example.video"});
  ASSERT_EQ(options->apns.keys.size(), 1U);
  EXPECT_EQ(options->apns.keys[0].key_id, "ABCDE12345");
  EXPECT_EQ(options->fcm.project, "carillon-demo");
  EXPECT_EQ(options->fcm_limits.max_concurrent_streams, 100U);
  EXPECT_EQ(options->control_listen.port, 3);
  EXPECT_EQ(options->devices, 5U);
  EXPECT_EQ(options->seed, 6U);
  EXPECT_EQ(options->mix.to_string(), "apns:1");
  EXPECT_EQ(options->events_max, 7U);
  EXPECT_EQ(options->journal_mib_max, 8U);
}

TEST_F(ServeConfigTest, GivesWayToTheCommandLine) {
  write("faults.toml", "latency_ms = 9\n");
  const auto options = load(good_, {.config_path = {},
                                    .devices = 50,
                                    .seed = 60,
                                    .mix = "fcm:1",
                                    .apns = "127.0.0.1:0",
                                    .fcm = "127.0.0.1:0",
                                    .control = "[::1]:0",
                                    .faults_path = folder_ / "faults.toml",
                                    .threads = 3});
  ASSERT_TRUE(options) << options.error().front();
  EXPECT_EQ(options->devices, 50U);
  EXPECT_EQ(options->seed, 60U);
  EXPECT_EQ(options->mix.to_string(), "fcm:1");
  EXPECT_EQ(options->apns_listen.port, 0);
  EXPECT_EQ(options->control_listen.host, "::1");
  EXPECT_EQ(options->faults.latency_ms, 9U);
  EXPECT_EQ(options->threads, 3U);
}

TEST_F(ServeConfigTest, ReportsEveryProblemWithItsLine) {
  const auto options = load(R"(thread = 2
[tls]
certificate = "missing.pem"
[apns]
listen = "nowhere"
topics = "com.example.video"
[[apns.keys]]
key_id = "SHORT"
team_id = "TEAM123456"
public_key = "fcm.pem"
[fcm]
project = "carillon-demo"
client_email = ""
public_key = "apns.pem"
token_uri = "https://localhost:2/token"
[population]
devices = -5
mix = "pager:1"
)",
                            {.config_path = {},
                             .devices = kDevicesMax + 1,
                             .seed = {},
                             .mix = "apns",
                             .apns = "x",
                             .fcm = {},
                             .control = {},
                             .faults_path = "/nonexistent.toml",
                             .threads = kThreadsMax + 1});
  ASSERT_FALSE(options);
  const auto& problems = options.error();
  for (const char* text :
       {"sim.toml:1: unknown key 'thread'", "sim.toml:3: certificate '", "[tls] needs key",
        "sim.toml:5: 'nowhere' is not an address", "sim.toml:6: topics",
        "sim.toml:8: key_id must have 10", "sim.toml:10: public_key must be an EC public key",
        "sim.toml:13: client_email", "sim.toml:14: public_key must be an RSA",
        "sim.toml:17: devices", "sim.toml:18: 'pager'", "--devices: at most",
        "--mix: ", "--apns: ", "/nonexistent.toml: cannot be read", "--threads: from 1 to 64"}) {
    EXPECT_TRUE(names(problems, text)) << text;
  }
}

TEST_F(ServeConfigTest, NamesTheLineOfASyntaxError) {
  const auto options = load("[tls]\ncertificate = \n");
  ASSERT_FALSE(options);
  EXPECT_TRUE(names(options.error(), "sim.toml:2: "));
}

TEST_F(ServeConfigTest, WantsAFileThatCanBeRead) {
  EXPECT_TRUE(names(load_serve_options({}).error(), "--config is needed"));
  ServeOverrides overrides;
  overrides.config_path = "/nonexistent/sim.toml";
  EXPECT_TRUE(names(load_serve_options(overrides).error(), "cannot be read"));
}

TEST_F(ServeConfigTest, WantsAnApnsKey) {
  std::string text = good_;
  text.replace(text.find("[[apns.keys]]"), 13, "[apns.keys]");
  EXPECT_TRUE(names(load(text).error(), "[[apns.keys]]"));
}

TEST_F(ServeConfigTest, TakesAnAuthorityForClientCertificatesWithKeysOrInTheirPlace) {
  write("client_ca.pem", "authority");
  const std::string more = "client_ca = \"client_ca.pem\"\none_stream_until_authenticated = true\n";
  std::string text = good_;
  text.insert(text.find("[[apns.keys]]"), more);
  const auto both = load(text);
  ASSERT_TRUE(both) << both.error().front();
  EXPECT_EQ(both->apns_client_ca_pem, "authority");
  EXPECT_TRUE(both->apns_limits.one_until_authenticated);
  EXPECT_EQ(both->apns.keys.size(), 1U);
  const std::size_t keys = text.find("[[apns.keys]]");
  text.erase(keys, text.find("[fcm]") - keys);
  const auto alone = load(text);
  ASSERT_TRUE(alone) << alone.error().front();
  EXPECT_TRUE(alone->apns.keys.empty());
  text.replace(text.find("= true"), 6, "= 1");
  EXPECT_TRUE(names(load(text).error(), "one_stream_until_authenticated must be true or false"));
}

}  // namespace
}  // namespace device_sim
