#include "relay/cli/vapid_command.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "providers/auth/base64url.h"
#include "providers/webpush/p256.h"
#include "relay/cli/exit_code.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/temporary_folder.h"

namespace carillon::cli::vapid_command_test {
namespace {

class VapidCommandTest : public testing::Test {
 protected:
  std::string content() const {
    std::ostringstream text;
    text << std::ifstream(file_).rdbuf();
    return text.str();
  }

  const TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "vapid.pem";
  StringTerminal at_;
};

TEST_F(VapidCommandTest, WritesAPrivateKeyAndPrintsThePublicOneAlone) {
  ASSERT_EQ(run_keys_vapid(at_.terminal, file_), kExitOk) << at_.err.str();
  std::string line = at_.out.str();
  ASSERT_TRUE(line.ends_with('\n'));
  line.pop_back();
  std::array<std::uint8_t, 65> point{};
  ASSERT_TRUE(push::auth::decode_base64url(line, point)) << line;
  EXPECT_TRUE(push::is_p256_point(point));
  EXPECT_TRUE(content().starts_with("-----BEGIN PRIVATE KEY-----"));
  EXPECT_EQ(std::filesystem::status(file_).permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1)
      << "nothing is left beside it";
}

TEST_F(VapidCommandTest, KeepsAKeyThatIsThereAndPrintsItsPublicHalf) {
  ASSERT_EQ(run_keys_vapid(at_.terminal, file_), kExitOk);
  const std::string key = content();
  StringTerminal again;
  ASSERT_EQ(run_keys_vapid(again.terminal, file_), kExitOk);
  EXPECT_EQ(content(), key);
  EXPECT_EQ(again.out.str(), at_.out.str());
}

TEST_F(VapidCommandTest, SaysWhatItCannotWriteOrRead) {
  EXPECT_EQ(run_keys_vapid(at_.terminal, folder_ / "no" / "vapid.pem"), kExitFailure);
  EXPECT_EQ(at_.err.str(), "carillon: " + (folder_ / "no" / "vapid.pem").string() +
                               " cannot be written: No such file or directory\n");
  std::ofstream(file_) << "hello";
  StringTerminal other;
  EXPECT_EQ(run_keys_vapid(other.terminal, file_), kExitFailure);
  EXPECT_EQ(other.err.str(),
            "carillon: " + file_.string() + " is not an unencrypted private key in PEM form\n");
  EXPECT_EQ(content(), "hello");
  EXPECT_EQ(other.out.str(), "");
}

}  // namespace
}  // namespace carillon::cli::vapid_command_test
