#include "relay/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "relay/cli/exit_code.h"
#include "tests/relay/cli/string_terminal.h"

namespace carillon::cli {
namespace {

using testing::HasSubstr;

TEST(CommandLine, EveryCommandHelpsWithAnExample) {
  const std::vector<std::vector<std::string>> kCommands{
      {"serve"},        {"check"},
      {"import"},       {"keys", "create"},
      {"keys", "list"}, {"keys", "revoke"},
      {"publish"},      {"watch"},
      {"export"},       {"devices", "sweep"},
      {"compact"},      {"inspect", "device"},
  };
  for (std::vector<std::string> words : kCommands) {
    const std::string example = "  carillon " + testing::PrintToString(words[0]).substr(1, 3);
    words.push_back("--help");
    StringTerminal at;
    EXPECT_EQ(run_command_line(words, at.terminal), kExitOk) << words[0];
    EXPECT_THAT(at.out.str(), HasSubstr("Example:\n" + example)) << words[0];
    EXPECT_EQ(at.err.str(), "");
  }
}

TEST(CommandLine, HelpNamesTheCommandsAndExitCodes) {
  StringTerminal at;
  EXPECT_EQ(run_command_line({"--help"}, at.terminal), kExitOk);
  for (const char* const word :
       {"serve", "check", "import", "keys", "publish", "watch", "Exit codes: 0 done"}) {
    EXPECT_THAT(at.out.str(), HasSubstr(word));
  }
}

TEST(CommandLine, PrintsItsVersion) {
  StringTerminal at;
  EXPECT_EQ(run_command_line({"--version"}, at.terminal), kExitOk);
  EXPECT_THAT(at.out.str(), testing::MatchesRegex("carillon [0-9]+[.][0-9]+[.][0-9]+\n"));
}

TEST(CommandLine, WhatMakesNoSenseIsAUsageError) {
  const std::vector<std::vector<std::string>> kCases{
      {},
      {"sing"},
      {"serve"},
      {"serve", "--config"},
      {"serve", "--config", "c.toml", "--loud"},
      {"keys"},
      {"keys", "create", "--config", "c.toml"},
      {"publish", "--app", "video", "--title", "x"},
      {"inspect"},
      {"inspect", "device", "--config", "c.toml", "video"},
      {"import", "--config", "c", "--resume-from-line", "0"},
      {"import", "--config", "c", "--format", "xml"},
      {"audience", "count", "--config", "c", "--app", "video"},
      {"audience", "count", "'a' in topics"},
      {"publish", "--app", "video", "--topic", "t", "--ttl", "soon"},
      {"publish", "--app", "video", "--topic", "t", "--priority", "high"},
      {"publish", "--topic", "t"},
      {"publish", "--file", "event.json", "--app", "video"},
      {"publish", "--file", "event.json", "--title", "x"},
      {"watch"},
  };
  for (const auto& words : kCases) {
    StringTerminal at;
    at.variables["CARILLON_API_KEY"] = "crl_x";
    EXPECT_EQ(run_command_line(words, at.terminal), kExitUsage) << testing::PrintToString(words);
    EXPECT_NE(at.err.str(), "") << testing::PrintToString(words);
    EXPECT_EQ(at.out.str(), "") << testing::PrintToString(words);
  }
}

TEST(CommandLine, AnAudienceIsCountedWithoutNamingTheApp) {
  StringTerminal at;
  EXPECT_EQ(run_command_line({"audience", "count", "--config", "/nowhere.toml", "'a' in topics"},
                             at.terminal),
            kExitFailure);
  EXPECT_THAT(at.err.str(), HasSubstr("/nowhere.toml")) << "the config's apps are looked at first";
}

TEST(CommandLine, PublishWithoutAKeySaysHowToGetOne) {
  StringTerminal at;
  EXPECT_EQ(
      run_command_line({"publish", "--app", "a", "--topic", "t", "--title", "x"}, at.terminal),
      kExitUsage);
  EXPECT_THAT(at.err.str(), HasSubstr("CARILLON_API_KEY"));
  EXPECT_THAT(at.err.str(), HasSubstr("carillon keys create"));
}

}  // namespace
}  // namespace carillon::cli
