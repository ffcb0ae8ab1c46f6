#include "device-sim/gateway/header_frames.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace device_sim::header_frames_test {
namespace {

using Kind = HeaderFrames::Kind;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum Type { kData = 0, kHeaders = 1, kPriority = 2, kSettings = 4, kPing = 6, kContinuation = 9 };
enum Flag { kNone = 0, kEndStream = 1, kEndHeaders = 4, kPadded = 8, kHasPriority = 0x20 };

std::string frame(int type, int flags, std::uint32_t stream, std::string_view payload) {
  std::string out;
  for (const int shift : {16, 8, 0}) out.push_back(static_cast<char>(payload.size() >> shift));
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(stream >> shift));
  return out.append(payload);
}

struct Seen {
  std::string other;                // all that was passed on
  std::vector<std::string> blocks;  // "stream: block", with "." if it ends the stream
  std::uint32_t error = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

// As it comes when the client's bytes are cut at every `step`.
Seen seen(std::string_view sent, std::size_t step) {
  HeaderFrames frames;
  Seen all;
  while (!sent.empty() && all.error == 0) {
    std::string_view part = sent.substr(0, step);
    sent.remove_prefix(part.size());
    while (!part.empty() && all.error == 0) {
      const HeaderFrames::Piece piece = frames.next(part);
      if (piece.kind == Kind::kBroken) all.error = piece.error;
      if (piece.kind == Kind::kOther) all.other += piece.bytes;
      if (piece.kind == Kind::kBlock) {
        all.blocks.push_back(std::to_string(piece.stream) + ": " + std::string(piece.bytes) +
                             (piece.ends_stream ? "." : ""));
      }
    }
  }
  return all;
}

TEST(HeaderFrames, FindsTheBlocksAndPassesOnTheRestWhereverItIsCut) {
  const std::string settings = frame(kSettings, kNone, 0, "123456");
  const std::string data = frame(kData, kEndStream, 1, std::string(300, 'd'));
  const std::string ping = frame(kPing, kNone, 0, "12345678");
  const std::string sent =
      std::string(kPreface) + settings + frame(kHeaders, kEndHeaders, 1, "one") + data +
      frame(kHeaders, kEndHeaders | kEndStream | kPadded | kHasPriority, 3,
            std::string("\x04") + "prior" + "two" + "padd") +
      ping + frame(kHeaders, kEndStream, 5, "th") + frame(kContinuation, kNone, 5, "re") +
      frame(kContinuation, kEndHeaders, 5, "e") + frame(kHeaders, kEndHeaders, 7, "") + ping;
  const Seen expected{.other = std::string(kPreface) + settings + data + ping + ping,
                      .blocks = {"1: one", "3: two.", "5: three.", "7: "}};
  for (std::size_t step = 1; step <= sent.size(); ++step) {
    ASSERT_EQ(seen(sent, step), expected) << "cut every " << step << " bytes";
  }
}

TEST(HeaderFrames, PassesOnWhatIsForOthersToRefuse) {
  const std::string sent =
      std::string(kPreface) + frame(kContinuation, kEndHeaders, 1, "x") + frame(99, 0xff, 0, "y");
  EXPECT_EQ(seen(sent, sent.size()), (Seen{.other = sent}));
  const std::string not_http2 = "GET / HTTP/1.1\r\n\r\n";
  EXPECT_EQ(seen(not_http2, 4), (Seen{.other = not_http2}));
}

TEST(HeaderFrames, EndsAConnectionThatBreaksABlock) {
  const auto error = [](const std::string& frames) {
    const std::string sent = std::string(kPreface) + frames;
    const Seen whole = seen(sent, sent.size());
    EXPECT_EQ(seen(sent, 1).error, whole.error);
    return whole.error;
  };
  const std::string open = frame(kHeaders, kNone, 1, "x");
  EXPECT_EQ(error(open + frame(kData, kNone, 1, "y")), 1u) << "something in between";
  EXPECT_EQ(error(open + frame(kContinuation, kEndHeaders, 3, "y")), 1u) << "another stream's";
  EXPECT_EQ(error(frame(kHeaders, kEndHeaders | kPadded, 1, "")), 1u) << "no length of padding";
  EXPECT_EQ(error(frame(kHeaders, kEndHeaders | kPadded, 1, std::string("\x04") + "123")), 1u);
  EXPECT_EQ(error(frame(kHeaders, kEndHeaders | kPadded, 1, std::string("\x03") + "123")), 0u);
  EXPECT_EQ(error(frame(kHeaders, kEndHeaders | kHasPriority, 1, "1234")), 1u);
}

TEST(HeaderFrames, BoundsAFrameAndABlock) {
  const auto error = [](const std::string& frames) {
    return seen(std::string(kPreface) + frames, 1'000).error;
  };
  const std::string most(HeaderFrames::kFrameBytesMax, 'x');
  EXPECT_EQ(error(frame(kHeaders, kEndHeaders, 1, most)), 0u);
  EXPECT_EQ(error(frame(kHeaders, kEndHeaders, 1, most + "x")), 6u) << "FRAME_SIZE_ERROR";
  std::string block = frame(kHeaders, kNone, 1, most);
  for (int i = 0; i < 3; ++i) block += frame(kContinuation, kNone, 1, most);
  EXPECT_EQ(error(block + frame(kContinuation, kEndHeaders, 1, "")), 0u) << "64 KiB";
  EXPECT_EQ(error(block + frame(kContinuation, kEndHeaders, 1, "x")), 11u) << "ENHANCE_YOUR_CALM";
}

}  // namespace
}  // namespace device_sim::header_frames_test
