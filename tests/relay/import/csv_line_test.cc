#include "relay/import/csv_line.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace carillon::import::csv_test {
namespace {

std::vector<std::string> fields(std::string_view line) {
  CsvLine csv;
  const auto split = csv.split(line);
  if (!split) return {"fault: " + split.error()};
  return {(*split)->begin(), (*split)->end()};
}

using Fields = std::vector<std::string>;

TEST(CsvLine, SplitsAtCommas) {
  EXPECT_EQ(fields("a,b,c"), (Fields{"a", "b", "c"}));
  EXPECT_EQ(fields(""), (Fields{""}));
  EXPECT_EQ(fields(","), (Fields{"", ""}));
  EXPECT_EQ(fields(" a ,"), (Fields{" a ", ""}));
  EXPECT_EQ(fields("a,b\r"), (Fields{"a", "b"}));
}

TEST(CsvLine, QuotesHoldCommasAndDoubledQuotes) {
  EXPECT_EQ(fields(R"("a,b",c)"), (Fields{"a,b", "c"}));
  EXPECT_EQ(fields(R"("say ""hi""","")"), (Fields{R"(say "hi")", ""}));
  EXPECT_EQ(fields(R"("""")"), (Fields{R"(")"}));
  EXPECT_EQ(fields("\"a\"\r"), (Fields{"a"}));
}

TEST(CsvLine, TellsTheFieldWhoseQuotesAreWrong) {
  EXPECT_EQ(fields(R"(a,b"c)"),
            (Fields{"fault: line: field 2 has a quote; it must stand in quotes, with each quote "
                    "doubled"}));
  EXPECT_EQ(fields(R"(a,"b)"), (Fields{"fault: line: field 2 begins with a quote and does not end "
                                       "with one on this line"}));
  EXPECT_EQ(fields(R"("a"b,c)"), (Fields{"fault: line: field 1 goes on after its closing quote"}));
}

TEST(CsvLine, HasNoMoreFieldsThanItsLimit) {
  EXPECT_EQ(fields(std::string(kCsvColumnsMax - 1, ',')).size(), kCsvColumnsMax);
  EXPECT_EQ(fields(std::string(kCsvColumnsMax, ',')),
            (Fields{"fault: line: has more than 1100 fields"}));
}

TEST(CsvLine, WhatIsPutTogetherIsTakenApart) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    std::mt19937_64 random(seed);
    Fields put(1 + random() % 8);
    std::string line;
    for (std::string& field : put) {
      for (std::size_t i = random() % 6; i > 0; --i) field += R"(a",; "b)"[random() % 7];
      if (&field != put.data()) line += ',';
      append_csv(field, line);
    }
    ASSERT_EQ(fields(line), put) << "seed " << seed << ": " << line;
  }
}

}  // namespace
}  // namespace carillon::import::csv_test
