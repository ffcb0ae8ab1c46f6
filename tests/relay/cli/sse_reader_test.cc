#include "relay/cli/sse_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace carillon::cli {
namespace {

std::vector<std::string> read(const std::vector<std::string_view>& pieces) {
  std::vector<std::string> events;
  SseReader reader([&events](std::string_view event, std::string_view data) {
    events.push_back(fmt::format("{}={}", event, data));
  });
  for (const std::string_view piece : pieces) EXPECT_TRUE(reader.feed(piece));
  return events;
}

TEST(SseReader, ReadsEventsCutAtEveryPlace) {
  const std::string stream =
      ": a comment\r\n\r\nevent: progress\ndata: {\"a\":\ndata:  1}\nid: 7\n\n"
      "data\r\rretry: 5\nevent: end\r\n\r\n";
  const std::vector<std::string> expected{"progress={\"a\":\n 1}", "message=", "end="};
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    const std::string_view all = stream;
    EXPECT_EQ(read({all.substr(0, cut), all.substr(cut)}), expected) << "cut at byte " << cut;
  }
}

TEST(SseReader, AnEventThatIsNotEndedIsNotTold) {
  EXPECT_TRUE(read({"event: progress\ndata: {}\n"}).empty());
}

TEST(SseReader, RefusesAStreamThatNeverEndsAnEvent) {
  SseReader reader([](std::string_view, std::string_view) { FAIL(); });
  EXPECT_TRUE(reader.feed(std::string(SseReader::kEventBytesMax, 'x')));
  EXPECT_FALSE(reader.feed("x"));
}

}  // namespace
}  // namespace carillon::cli
