#include "relay/cli/process_secrecy.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace carillon::cli::process_secrecy_test {
namespace {

TEST(ProcessSecrecy, WhatIsTakenFromTheEnvironmentIsNeitherThereNorWhereItWas) {
  ASSERT_EQ(setenv("CARILLON_SECRECY_TEST", "crl_secret", 1), 0);
  const char* const place = std::getenv("CARILLON_SECRECY_TEST");
  EXPECT_EQ(take_from_environment("CARILLON_SECRECY_TEST"), "crl_secret");
  EXPECT_EQ(std::getenv("CARILLON_SECRECY_TEST"), nullptr);
  EXPECT_EQ(std::string(place, std::strlen("crl_secret")), std::string(10, '\0'));
  EXPECT_EQ(take_from_environment("CARILLON_SECRECY_TEST"), std::nullopt);
  ASSERT_EQ(setenv("CARILLON_SECRECY_TEST", "", 1), 0);
  EXPECT_EQ(take_from_environment("CARILLON_SECRECY_TEST"), std::nullopt) << "nothing is no value";
}

TEST(ProcessSecrecy, NoCoreFileIsWrittenUnlessItIsAllowed) {
  const int before = prctl(PR_GET_DUMPABLE);
  refuse_core_files();
  EXPECT_EQ(prctl(PR_GET_DUMPABLE), 0);
  allow_core_files();
  EXPECT_EQ(prctl(PR_GET_DUMPABLE), 1);
  prctl(PR_SET_DUMPABLE, before, 0, 0, 0);
}

}  // namespace
}  // namespace carillon::cli::process_secrecy_test
