#include "relay/import/json_number.h"

#include <gtest/gtest.h>

namespace carillon::import::number_test {
namespace {

TEST(JsonNumber, IsReadAsJsonReadsIt) {
  EXPECT_EQ(parse_json_number("0"), 0.0);
  EXPECT_EQ(parse_json_number("-12"), -12.0);
  EXPECT_EQ(parse_json_number("0.5"), 0.5);
  EXPECT_EQ(parse_json_number("1e3"), 1000.0);
  EXPECT_EQ(parse_json_number("12.5E-1"), 1.25);
}

TEST(JsonNumber, NothingElseIsOne) {
  for (const char* const text : {"", "-", "01", "-01", "1.", ".5", "1e", "1e+", "+1", " 1", "1 ",
                                 "0x1", "inf", "nan", "1e999", "1,5", "3.2.1"}) {
    EXPECT_EQ(parse_json_number(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace carillon::import::number_test
