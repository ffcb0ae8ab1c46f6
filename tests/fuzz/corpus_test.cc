#include "tests/fuzz/corpus.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/fuzz/target.h"

namespace carillon::fuzz::corpus_test {
namespace {

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, BreaksNothing) {
  const std::string path =
      fmt::format("{}/tests/fuzz/corpus/{}.txt", CARILLON_SOURCE_DIR, GetParam().name);
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto inputs = read_corpus(text);
  ASSERT_TRUE(inputs.has_value()) << path << ": " << inputs.error();
  ASSERT_FALSE(inputs->empty()) << path;
  for (const CorpusInput& input : *inputs) {
    SCOPED_TRACE(fmt::format("{}:{}", path, input.line));
    EXPECT_NO_THROW(GetParam().run(input.bytes));
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Corpus, testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(CorpusText, IsBytesInPrintableAscii) {
  const auto inputs = read_corpus("# said\na\\x5cb\\x00\\xff\n\n\\x23 no comment");
  ASSERT_TRUE(inputs.has_value()) << inputs.error();
  ASSERT_EQ(inputs->size(), 3u);
  EXPECT_EQ((*inputs)[0].bytes, (std::vector<std::uint8_t>{'a', '\\', 'b', 0, 0xff}));
  EXPECT_EQ((*inputs)[0].line, 2u);
  EXPECT_TRUE((*inputs)[1].bytes.empty());
  EXPECT_EQ((*inputs)[2].bytes.front(), '#');
}

TEST(CorpusText, NamesALineThatItCannotRead) {
  for (const char* wrong : {"a\n\\", "a\n\\x1", "a\n\\y12", "a\n\\xg1", "a\n\\x 1"}) {
    const auto inputs = read_corpus(wrong);
    ASSERT_FALSE(inputs.has_value()) << wrong;
    EXPECT_EQ(inputs.error(), "line 2: a backslash without xNN");
  }
}

}  // namespace
}  // namespace carillon::fuzz::corpus_test
