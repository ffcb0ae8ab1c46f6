// Which seeds a test tries, one after the other, and how to repeat the one that fails.
//
// Of a test whose seeds are called NAME: CARILLON_NAME_SEEDS is how many, CARILLON_NAME_SEED one
// alone; CARILLON_FIRST_SEED is the first of every test's (otherwise 1), so that a long run looks
// where none has looked before.
#pragma once

#include <errno.h>  // program_invocation_name
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace carillon {

inline std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const char* const text = std::getenv(variable);
  return text ? static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10)) : otherwise;
}

class Seeds {
 public:
  Seeds(const std::string& name, std::uint32_t otherwise)
      : variable_("CARILLON_" + name + "_SEED"),
        only_(number_from(variable_.c_str(), 0)),
        first_(only_ != 0 ? only_ : number_from("CARILLON_FIRST_SEED", 1)),
        asked_(std::getenv((variable_ + "S").c_str()) != nullptr),
        count_(only_ != 0 ? 1 : number_from((variable_ + "S").c_str(), otherwise)) {}

  // body(seed) until one fails. Of several shares of the seeds each takes its own.
  template <class Body>
  void each(Body body, std::uint32_t share = 0, std::uint32_t shares = 1) const {
    ASSERT_GT(count_, 0U) << variable_ << "S";
    for (std::uint32_t i = share; i < count_ && !testing::Test::HasFailure(); i += shares) {
      const std::uint32_t seed = first_ + i;
      const std::string again = variable_ + "=" + std::to_string(seed);
      SCOPED_TRACE(again);
      // A crash leaves the seed as the last line.
      if (asked_) std::fprintf(stderr, "%s\r", again.c_str());
      try {
        body(seed);
      } catch (...) {
        tell(again);
        throw;
      }
      if (testing::Test::HasFailure()) tell(again);
    }
  }

 private:
  static void tell(const std::string& again) {
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test.test_suite_name()) + "." + test.name();
    // One seed alone is the first share's.
    if (test.value_param()) name.replace(name.rfind('/') + 1, std::string::npos, "*");
    std::printf("\nrepeat with: %s %s '--gtest_filter=%s'\n", again.c_str(),
                program_invocation_name, name.c_str());
  }

  const std::string variable_;
  const std::uint32_t only_, first_;
  const bool asked_;
  const std::uint32_t count_;
};

}  // namespace carillon
