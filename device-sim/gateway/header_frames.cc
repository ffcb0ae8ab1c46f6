#include "device-sim/gateway/header_frames.h"

#include <algorithm>
#include <utility>

namespace device_sim {
namespace {

constexpr std::size_t kFrameHeadBytes = 9;
constexpr std::uint8_t kHeadersFrame = 1;
constexpr std::uint8_t kContinuationFrame = 9;
constexpr std::uint8_t kEndStreamFlag = 0x1;
constexpr std::uint8_t kEndHeadersFlag = 0x4;
constexpr std::uint8_t kPaddedFlag = 0x8;
constexpr std::uint8_t kPriorityFlag = 0x20;
constexpr std::size_t kPriorityBytes = 5;

// RFC 9113, section 7.
constexpr std::uint32_t kProtocolError = 0x1;
constexpr std::uint32_t kFrameSizeError = 0x6;
constexpr std::uint32_t kEnhanceYourCalm = 0xb;

HeaderFrames::Piece broken(std::uint32_t error) {
  return {.kind = HeaderFrames::Kind::kBroken, .error = error};
}

// What a HEADERS frame has between its padding and its priority.
bool strip(std::string_view& payload, std::uint8_t flags) {
  std::size_t padding = 0;
  if ((flags & kPaddedFlag) != 0) {
    if (payload.empty()) return false;
    padding = static_cast<unsigned char>(payload.front());
    payload.remove_prefix(1);
  }
  if ((flags & kPriorityFlag) != 0) {
    if (payload.size() < kPriorityBytes) return false;
    payload.remove_prefix(kPriorityBytes);
  }
  if (padding > payload.size()) return false;
  payload.remove_suffix(padding);
  return true;
}

}  // namespace

HeaderFrames::Frame HeaderFrames::frame_at(const char* bytes) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
  };
  return {.length = byte(0) << 16 | byte(1) << 8 | byte(2),
          .type = static_cast<std::uint8_t>(byte(3)),
          .flags = static_cast<std::uint8_t>(byte(4)),
          .stream = (byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8)) & 0x7fffffff};
}

// Within a block whatever comes is looked at, as only CONTINUATION may.
bool HeaderFrames::is_gathered(const Frame& frame) const {
  return open_ || frame.type == kHeadersFrame;
}

// How many of `bytes` are passed on as they are: up to the next frame that is gathered, or to one
// whose head is not here whole.
std::size_t HeaderFrames::scan(std::string_view bytes) {
  std::size_t at = 0;
  while (true) {
    const std::size_t passed = std::min(pass_left_, bytes.size() - at);
    at += passed;
    pass_left_ -= passed;
    if (bytes.size() - at < kFrameHeadBytes) return at;
    const Frame frame = frame_at(bytes.data() + at);
    if (is_gathered(frame)) return at;
    pass_left_ = kFrameHeadBytes + frame.length;
  }
}

// The frame that begins `held_` and `bytes`, once it is there whole.
bool HeaderFrames::gather(std::string_view& bytes, std::string_view& whole) {
  const auto take = [&](std::size_t until) {
    const std::size_t more = std::min(until - std::min(until, held_.size()), bytes.size());
    held_.append(bytes.substr(0, more));
    bytes.remove_prefix(more);
    return held_.size() >= until;
  };
  if (held_.empty() && bytes.size() >= kFrameHeadBytes) {
    const std::size_t size = kFrameHeadBytes + frame_at(bytes.data()).length;
    if (bytes.size() >= size) {
      whole = bytes.substr(0, size);
      bytes.remove_prefix(size);
      return true;
    }
  }
  if (!take(kFrameHeadBytes)) return false;
  const Frame frame = frame_at(held_.data());
  const bool is_wanted = is_gathered(frame) && frame.length <= kFrameBytesMax;
  if (is_wanted && !take(kFrameHeadBytes + frame.length)) return false;
  given_.swap(held_);
  held_.clear();
  whole = given_;
  return true;
}

HeaderFrames::Piece HeaderFrames::next(std::string_view& bytes) {
  while (!bytes.empty()) {
    if (held_.empty()) {
      if (const std::size_t passed = scan(bytes); passed > 0) {
        const Piece piece{.bytes = bytes.substr(0, passed)};
        bytes.remove_prefix(passed);
        return piece;
      }
    }
    std::string_view whole;
    if (!gather(bytes, whole)) break;
    if (const Piece piece = take_frame(whole); !open_ || piece.kind == Kind::kBroken) return piece;
  }
  return {};
}

// Nothing while the block is open.
HeaderFrames::Piece HeaderFrames::take_frame(std::string_view whole) {
  const Frame frame = frame_at(whole.data());
  if (!is_gathered(frame)) {  // its head came in two parts
    pass_left_ = frame.length;
    return {.bytes = whole};
  }
  if (frame.length > kFrameBytesMax) return broken(kFrameSizeError);
  std::string_view fragment = whole.substr(kFrameHeadBytes);
  if (open_) {
    if (frame.type != kContinuationFrame || frame.stream != open_stream_) {
      return broken(kProtocolError);
    }
    if (block_.size() + fragment.size() > kBlockBytesMax) return broken(kEnhanceYourCalm);
  } else {
    if (!strip(fragment, frame.flags)) return broken(kProtocolError);
    open_stream_ = frame.stream;
    open_ends_stream_ = (frame.flags & kEndStreamFlag) != 0;
    block_.clear();
  }
  const bool is_whole = (frame.flags & kEndHeadersFlag) != 0;
  if (open_ || !is_whole) {
    block_.append(fragment);
    fragment = block_;
  }
  open_ = !is_whole;
  if (open_) return {};
  return {.kind = Kind::kBlock,
          .bytes = fragment,
          .stream = open_stream_,
          .ends_stream = open_ends_stream_};
}

}  // namespace device_sim
