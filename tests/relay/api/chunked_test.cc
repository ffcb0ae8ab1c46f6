#include "relay/api/chunked.h"

#include <gtest/gtest.h>

#include <string>

namespace carillon::api {
namespace {

struct Decoded {
  std::string body;
  ChunkedDecoder::Step step = ChunkedDecoder::Step::kNeedsMore;
  std::size_t used = 0;
};

// Feeds `input` in pieces of `piece` bytes.
Decoded decode(std::string_view input, std::size_t piece) {
  ChunkedDecoder decoder;
  Decoded out;
  while (out.used < input.size()) {
    std::string_view part = input.substr(out.used, piece);
    while (!part.empty()) {
      const auto result = decoder.next(part);
      out.step = result.step;
      out.used += result.used;
      out.body += result.data;
      part.remove_prefix(result.used);
      const bool final = result.step == ChunkedDecoder::Step::kEnd ||
                         result.step == ChunkedDecoder::Step::kMalformed;
      if (final) return out;
    }
  }
  return out;
}

TEST(ChunkedDecoder, GivesTheSameBodyWhereverTheInputIsCut) {
  const std::string input =
      "5\r\nhello\r\nA ;x=\"y\"\r\n, chunked \r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\nGET";
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    const Decoded decoded = decode(input, piece);
    EXPECT_EQ(decoded.body, "hello, chunked !") << "pieces of " << piece;
    EXPECT_EQ(decoded.step, ChunkedDecoder::Step::kEnd) << "pieces of " << piece;
    EXPECT_EQ(input.substr(decoded.used), "GET") << "pieces of " << piece;
  }
}

TEST(ChunkedDecoder, RefusesWhatIsNotTheCoding) {
  for (const std::string_view input :
       {"\r\n", ";\r\n", "g\r\n", "-1\r\n", "0x5\r\nhello", "5\nhello", "5\r\rhello",
        "5\r\nhello!!", "5\r\nhello\n\n", "5 \x01\r\nhello", "0\r\nTrailer\n\n",
        "1000000000000000\r\n"}) {
    EXPECT_EQ(decode(input, 1).step, ChunkedDecoder::Step::kMalformed) << input;
  }
}

TEST(ChunkedDecoder, TakesTheLargestSizeThatCannotOverflow) {
  EXPECT_EQ(decode("fffffffffffffff\r\nx", 1).step, ChunkedDecoder::Step::kData);
}

TEST(ChunkedDecoder, BoundsASizeLineAndTheTrailers) {
  // The line's CR and LF count, too.
  const std::string extension(ChunkedDecoder::kSizeLineBytesMax - 4, 'e');
  EXPECT_EQ(decode("0;" + extension + "\r\n\r\n", 7).step, ChunkedDecoder::Step::kEnd);
  EXPECT_EQ(decode("0;" + extension + "e\r\n\r\n", 7).step, ChunkedDecoder::Step::kMalformed);
  const std::string trailer(ChunkedDecoder::kTrailerBytesMax - 4, 't');
  EXPECT_EQ(decode("0\r\n" + trailer + "\r\n\r\n", 7).step, ChunkedDecoder::Step::kEnd);
  EXPECT_EQ(decode("0\r\n" + trailer + "t\r\n\r\n", 7).step, ChunkedDecoder::Step::kMalformed);
}

}  // namespace
}  // namespace carillon::api
