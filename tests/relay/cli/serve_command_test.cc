// The program itself, as a process of its own: signals and exit codes are part of its contract.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "relay/cli/exit_code.h"
#include "tests/temporary_folder.h"

namespace carillon::cli {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

constexpr auto kPatience = 60s;  // a sanitizer's build on a busy machine

// A `carillon` that runs: its two outputs are read as they come.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments) {
    int out[2];
    int err[2];
    if (pipe(out) != 0 || pipe(err) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      for (const int fd : {out[0], out[1], err[0], err[1]}) close(fd);
      std::vector<char*> argv{const_cast<char*>(CARILLON_PROGRAM)};
      for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      execv(CARILLON_PROGRAM, argv.data());
      _exit(127);
    }
    close(out[1]);
    close(err[1]);
    pipes_[0] = {.fd = out[0], .events = POLLIN, .revents = 0};
    pipes_[1] = {.fd = err[0], .events = POLLIN, .revents = 0};
  }
  ~Process() {
    if (!waited_) {
      kill(pid_, SIGKILL);
      wait();
    }
    for (const pollfd& pipe : pipes_) {
      if (pipe.fd >= 0) close(pipe.fd);
    }
  }

  // Reads until `text` is in the output; false: the process has closed it or time is up.
  bool read_until(const std::string& text, const std::string& output) {
    const std::string& watched = output == "out" ? out_ : err_;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (watched.find(text) == watched.npos) {
      if (std::chrono::steady_clock::now() > deadline || !read_some()) return false;
    }
    return true;
  }
  void send(int signal) { kill(pid_, signal); }
  // Its exit code; -signal if one ended it.
  int wait() {
    while (read_some()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    waited_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }

 private:
  // False: both outputs are closed, or nothing came for too long.
  bool read_some() {
    if (pipes_[0].fd < 0 && pipes_[1].fd < 0) return false;
    if (poll(pipes_, 2, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0) {
      return false;
    }
    for (int i = 0; i < 2; ++i) {
      if (pipes_[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t size = read(pipes_[i].fd, buffer, sizeof buffer);
      if (size > 0) {
        (i == 0 ? out_ : err_).append(buffer, static_cast<std::size_t>(size));
      } else {
        close(pipes_[i].fd);
        pipes_[i].fd = -1;
      }
    }
    return true;
  }

  pid_t pid_ = 0;
  bool waited_ = false;
  pollfd pipes_[2]{};
  std::string out_;
  std::string err_;
};

struct Finished {
  int code;
  std::string out;
  std::string err;
};

Finished run(const std::vector<std::string>& arguments) {
  Process process(arguments);
  const int code = process.wait();
  return {code, process.out(), process.err()};
}

class ServeCommandTest : public testing::Test {
 protected:
  ServeCommandTest() {
    write_key();
    write_config();
  }

  void write_key() {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                  EVP_PKEY_free);
    FILE* const file = fopen((folder_ / "apns.p8").c_str(), "w");
    ASSERT_EQ(PEM_write_PKCS8PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    fclose(file);
  }
  // A client certificate of the app, which takes the place of the key.
  void write_certificate(std::chrono::hours valid) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                  EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -7200);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()),
                    static_cast<long>(std::chrono::seconds(valid).count()));
    X509_set_pubkey(certificate.get(), key.get());
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    FILE* const file = fopen((folder_ / "push.pem").c_str(), "w");
    ASSERT_EQ(PEM_write_X509(file, certificate.get()), 1);
    ASSERT_EQ(PEM_write_PKCS8PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    fclose(file);
    std::ofstream(config_) << R"([http]
listen = "127.0.0.1:0"
[fanout]
drain_ms = 100
[apps.video.apns]
endpoint = "https://localhost:1"
certificate_file = "push.pem"
bundle_id = "com.example.video"
)";
  }
  // Nothing listens at the endpoint: nothing here is sent.
  void write_config(const std::string& http = "listen = \"127.0.0.1:0\"",
                    const std::string& more = "") {
    std::ofstream(config_) << fmt::format(R"([http]
{}
[fanout]
drain_ms = 100
[apps.video.apns]
endpoint = "https://localhost:1"
key_file = "apns.p8"
key_id = "ABCDE12345"
team_id = "TEAM123456"
bundle_id = "com.example.video"
{})",
                                          http, more);
  }
  std::vector<std::string> command(std::vector<std::string> words) const {
    words.insert(words.end(), {"--config", config_.string()});
    return words;
  }
  // From "…, http://127.0.0.1:40123\nready\n".
  static std::string url_of(const Process& relay) {
    const std::size_t begin = relay.out().find("http://");
    return relay.out().substr(begin, relay.out().find('\n', begin) - begin);
  }

  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
  const fs::path config_ = folder_ / "carillon.toml";
};

TEST_F(ServeCommandTest, SaysWhereItServesAndStopsCleanlyOnSigterm) {
  Process relay(command({"serve"}));
  ASSERT_TRUE(relay.read_until("\nready\n", "out")) << relay.err();
  EXPECT_THAT(relay.out(), HasSubstr((folder_ / "carillon.db").string()));
  httplib::Client client(url_of(relay));
  const auto health = client.Get("/healthz");
  ASSERT_TRUE(health);
  EXPECT_EQ(health->status, 200);
  relay.send(SIGTERM);
  EXPECT_EQ(relay.wait(), kExitOk) << relay.err();
  EXPECT_THAT(relay.err(), HasSubstr("stopped"));
}

TEST_F(ServeCommandTest, SighupReadsTheCredentialsAgainAndKeepsTheOldOneWhenThatIsNone) {
  Process relay(command({"serve"}));
  ASSERT_TRUE(relay.read_until("\nready\n", "out")) << relay.err();
  std::ofstream(folder_ / "apns.p8") << "no key";
  relay.send(SIGHUP);
  ASSERT_TRUE(relay.read_until("[apps.video.apns]: key_file: ", "err"));
  ASSERT_TRUE(relay.read_until("The credential in use stays", "err"));
  relay.send(SIGINT);
  EXPECT_EQ(relay.wait(), kExitOk);
}

TEST_F(ServeCommandTest, ImportKeysAndCheckWorkBesideARelay) {
  Process relay(command({"serve"}));
  ASSERT_TRUE(relay.read_until("\nready\n", "out")) << relay.err();
  std::ofstream(folder_ / "devices.ndjson")
      << R"({"device":"d-1","app":"video","platform":"apns","token":"abcd","topics":["t"]})"
      << "\n{\n";
  auto words = command({"import"});
  words.push_back((folder_ / "devices.ndjson").string());
  const Finished import = run(words);
  EXPECT_EQ(import.code, kExitBadLines) << import.err;
  EXPECT_THAT(import.out, HasSubstr("1 created"));
  const Finished key = run(command({"keys", "create", "--name", "k", "--scopes", "admin"}));
  ASSERT_EQ(key.code, kExitOk) << key.err;
  EXPECT_THAT(run(command({"keys", "list"})).out, HasSubstr("\nk "));
  EXPECT_EQ(run(command({"check", "--deep"})).code, kExitOk);

  httplib::Client client(url_of(relay));
  client.set_bearer_token_auth(key.out.substr(0, key.out.size() - 1));
  // The relay looks for keys that it does not know again after a moment: a condition, no sleep.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (status != 200 && std::chrono::steady_clock::now() < deadline) {
    const auto device = client.Get("/v1/apps/video/devices/d-1");
    ASSERT_TRUE(device);
    status = device->status;
  }
  EXPECT_EQ(status, 200);
  relay.send(SIGTERM);
  EXPECT_EQ(relay.wait(), kExitOk);
}

TEST_F(ServeCommandTest, ASecondRelayOnTheSameStoreIsRefusedInOneSentence) {
  Process relay(command({"serve"}));
  ASSERT_TRUE(relay.read_until("\nready\n", "out")) << relay.err();
  const Finished second = run(command({"serve"}));
  EXPECT_EQ(second.code, kExitFailure);
  EXPECT_THAT(second.err, testing::StartsWith("carillon: another relay serves the store"));
  EXPECT_EQ(second.out, "");
}

TEST_F(ServeCommandTest, AnotherRelaysPortIsOneSentence) {
  Process relay(command({"serve"}));
  ASSERT_TRUE(relay.read_until("\nready\n", "out")) << relay.err();
  const std::string port = url_of(relay).substr(url_of(relay).rfind(':') + 1);
  write_config(fmt::format("listen = \"127.0.0.1:{}\"", port), "[store]\npath = \"other.db\"\n");
  const Finished second = run(command({"serve"}));
  EXPECT_EQ(second.code, kExitFailure);
  EXPECT_THAT(second.err, HasSubstr(port));
  EXPECT_THAT(second.out, Not(HasSubstr("ready")));
}

TEST_F(ServeCommandTest, ServeAndCheckTellAllCredentialProblemsAtOnce) {
  fs::remove(folder_ / "apns.p8");
  write_config("", "[apps.shop.fcm]\nservice_account_file = \"missing.json\"\n");
  for (const char* const name : {"serve", "check"}) {
    const Finished finished = run(command({name}));
    EXPECT_EQ(finished.code, kExitFailure) << name;
    EXPECT_THAT(finished.err, HasSubstr("carillon: [apps.video.apns] ")) << name;
    EXPECT_THAT(finished.err, HasSubstr("apns.p8")) << name;
    EXPECT_THAT(finished.err, HasSubstr("carillon: [apps.shop.fcm] ")) << name;
    EXPECT_THAT(finished.err, HasSubstr("missing.json")) << name;
  }
}

TEST_F(ServeCommandTest, AFileThatManySectionsLackIsToldOnce) {
  write_config("",
               "ca_file = \"ca.pem\"\n[apps.shop.apns]\nca_file = \"ca.pem\"\n"
               "key_file = \"apns.p8\"\nkey_id = \"ABCDE12345\"\nteam_id = \"TEAM123456\"\n"
               "bundle_id = \"com.example.shop\"\n");
  const Finished finished = run(command({"check"}));
  EXPECT_EQ(finished.code, kExitFailure);
  EXPECT_THAT(finished.err, HasSubstr("[apps.shop.apns] [apps.video.apns] ca_file"));
  EXPECT_EQ(std::ranges::count(finished.err, '\n'), 1) << finished.err;
}

TEST_F(ServeCommandTest, EveryCommandTellsAllConfigMistakesWithTheirLines) {
  std::ofstream(config_) << "[http]\nthreads = 0\nlisten = 1\n";
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"serve"}, {"check"}, {"import"}, {"keys", "list"}}) {
    const Finished finished = run(command(words));
    EXPECT_EQ(finished.code, kExitFailure) << words[0];
    EXPECT_THAT(finished.err, HasSubstr(config_.string() + ":2: http.threads must be 1 to 1024"))
        << words[0];
    EXPECT_THAT(finished.err, HasSubstr(config_.string() + ":3: http.listen must be a text"))
        << words[0];
  }
}

TEST_F(ServeCommandTest, CheckCreatesNothingAndKnowsAFileThatIsNoStore) {
  const Finished fresh = run(command({"check"}));
  EXPECT_EQ(fresh.code, kExitOk) << fresh.err;
  EXPECT_THAT(fresh.out, HasSubstr("is not there yet"));
  EXPECT_FALSE(fs::exists(folder_ / "carillon.db"));
  std::ofstream(folder_ / "carillon.db") << std::string(8192, 'x');
  EXPECT_EQ(run(command({"check"})).code, kExitFailure);
  const Finished serve = run(command({"serve"}));
  EXPECT_EQ(serve.code, kExitFailure);
  EXPECT_THAT(serve.err, HasSubstr("carillon.db"));
}

TEST_F(ServeCommandTest, CheckWarnsOfACertificateThatEndsSoonAndFailsWhenItHas) {
  write_certificate(20 * 24h);
  const Finished soon = run(command({"check"}));
  EXPECT_EQ(soon.code, kExitOk) << soon.err;
  EXPECT_THAT(soon.err, HasSubstr("warning: [apps.video.apns] the certificate ends on "));
  write_certificate(-1h);
  const Finished ended = run(command({"check"}));
  EXPECT_EQ(ended.code, kExitFailure);
  EXPECT_THAT(ended.err, HasSubstr("[apps.video.apns] the certificate has ended on "));
  Process relay(command({"serve"}));
  ASSERT_TRUE(relay.read_until("\nready\n", "out")) << relay.err();
  EXPECT_TRUE(relay.read_until("the certificate has ended on ", "err")) << relay.err();
}

TEST_F(ServeCommandTest, CheckMissesTheStoresFolder) {
  write_config("", "[store]\npath = \"nowhere/carillon.db\"\n");
  const Finished finished = run(command({"check"}));
  EXPECT_EQ(finished.code, kExitFailure);
  EXPECT_THAT(finished.err, HasSubstr("nowhere is not there"));
}

}  // namespace
}  // namespace carillon::cli
