#include "relay/cli/keys_command.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <array>
#include <string>

#include "relay/cli/exit_code.h"
#include "relay/config/scopes.h"
#include "tests/relay/cli/string_terminal.h"
#include "tests/relay/import/memory_store.h"

namespace carillon::cli {
namespace {

class KeysCommandTest : public testing::Test {
 protected:
  StringTerminal at_;
  import::MemoryStore store_;
};

TEST_F(KeysCommandTest, CreatePrintsTheKeyAloneAndStoresItsHashOnly) {
  ASSERT_EQ(run_keys_create(at_.terminal, store_, "backend", "publish,subscribe"), kExitOk);
  std::string key = at_.out.str();
  ASSERT_TRUE(key.ends_with('\n'));
  key.pop_back();
  EXPECT_TRUE(key.starts_with("crl_"));
  EXPECT_EQ(key.size(), 4U + 43U) << "32 bytes in base64url";
  EXPECT_EQ(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-_"),
            std::string::npos);
  const store::ApiKey& stored = store_.api_keys.at("backend");
  std::array<std::uint8_t, 32> expected{};
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), expected.data());
  EXPECT_EQ(stored.hash, expected);
  EXPECT_EQ(stored.scopes, config::kScopePublish | config::kScopeSubscribe);
  EXPECT_GT(stored.created_ms, 0);
  EXPECT_EQ(stored.revoked_ms, 0);
  EXPECT_EQ(at_.err.str().find(key), std::string::npos) << "the key is told once";
}

TEST_F(KeysCommandTest, NoTwoKeysAreTheSame) {
  StringTerminal other;
  ASSERT_EQ(run_keys_create(at_.terminal, store_, "a", "admin"), kExitOk);
  ASSERT_EQ(run_keys_create(other.terminal, store_, "b", "admin"), kExitOk);
  EXPECT_NE(at_.out.str(), other.out.str());
}

TEST_F(KeysCommandTest, CreateRefusesWrongScopesAndNamesBeforeAnythingIsStored) {
  EXPECT_EQ(run_keys_create(at_.terminal, store_, "backend", "root"), kExitUsage);
  EXPECT_EQ(at_.err.str(),
            "carillon: --scopes: \"root\" is not a scope: use publish, subscribe or admin, "
            "separated by commas\n");
  EXPECT_EQ(run_keys_create(at_.terminal, store_, "", "admin"), kExitUsage);
  EXPECT_TRUE(store_.api_keys.empty());
  EXPECT_EQ(at_.out.str(), "");
}

TEST_F(KeysCommandTest, ATakenNameIsAFailureWithTheStoresWords) {
  ASSERT_EQ(run_keys_create(at_.terminal, store_, "backend", "publish"), kExitOk);
  StringTerminal again;
  EXPECT_EQ(run_keys_create(again.terminal, store_, "backend", "publish"), kExitFailure);
  EXPECT_EQ(again.out.str(), "");
  EXPECT_EQ(again.err.str(), "carillon: there is a key of that name already\n");
}

TEST_F(KeysCommandTest, ListShowsNamesScopesAndDatesButNothingSecret) {
  store_.api_keys["b"] = {.name = "b", .hash = {}, .scopes = 1, .created_ms = 1'000};
  store_.api_keys["a-long-name"] = {
      .name = "a-long-name", .hash = {}, .scopes = 7, .created_ms = 0, .revoked_ms = 86'400'000};
  ASSERT_EQ(run_keys_list(at_.terminal, store_), kExitOk);
  EXPECT_EQ(at_.out.str(),
            "NAME         SCOPES                   CREATED               REVOKED\n"
            "a-long-name  publish,subscribe,admin  1970-01-01T00:00:00Z  1970-01-02T00:00:00Z\n"
            "b            publish                  1970-01-01T00:00:01Z  -\n");
}

TEST_F(KeysCommandTest, RevokeMarksTheKeyAndMissesAnUnknownOne) {
  store_.api_keys["a"] = {.name = "a", .hash = {}, .scopes = 1, .created_ms = 1'000};
  EXPECT_EQ(run_keys_revoke(at_.terminal, store_, "a"), kExitOk);
  EXPECT_GT(store_.api_keys["a"].revoked_ms, 0);
  EXPECT_EQ(run_keys_revoke(at_.terminal, store_, "b"), kExitFailure);
  EXPECT_NE(at_.err.str().find("there is no key of that name"), std::string::npos);
}

}  // namespace
}  // namespace carillon::cli
