#include "relay/api/chunked.h"

#include <algorithm>

#include "relay/api/hex_digit.h"

namespace carillon::api {
namespace {

constexpr std::size_t kSizeDigitsMax = 15;  // below 2^60: adding a chunk's size never overflows

}  // namespace

// The size line up to its line feed. False: malformed.
bool ChunkedDecoder::take_size_char(char c) {
  if (++line_ > kSizeLineBytesMax) return false;
  if (state_ == State::kSizeLf) {
    if (c != '\n') return false;
    line_ = digits_ = 0;
    state_ = left_ > 0 ? State::kData : State::kTrailer;
    return true;
  }
  if (c == '\r') {
    state_ = State::kSizeLf;
    return digits_ > 0;
  }
  if (state_ == State::kExtension) return c == '\t' || (c >= 0x20 && c != 0x7f);
  if (const int value = hex_value(c); value >= 0) {
    left_ = left_ * 16 + static_cast<std::uint64_t>(value);
    return ++digits_ <= kSizeDigitsMax;
  }
  state_ = State::kExtension;
  return digits_ > 0 && (c == ';' || c == ' ' || c == '\t');
}

bool ChunkedDecoder::take_trailer_char(char c) {
  if (++trailers_ > kTrailerBytesMax) return false;
  if (cr_) {
    cr_ = false;
    if (c != '\n') return false;
    if (trailer_line_ == 0) state_ = State::kEnd;
    trailer_line_ = 0;
    return true;
  }
  if (c == '\r') {
    cr_ = true;
    return true;
  }
  ++trailer_line_;
  return c != '\n' && c != '\0';
}

ChunkedDecoder::Result ChunkedDecoder::next(std::string_view input) {
  std::size_t used = 0;
  while (state_ != State::kEnd) {
    if (used == input.size()) return {.step = Step::kNeedsMore, .used = used, .data = {}};
    if (state_ == State::kData) {
      const std::size_t take =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - used));
      left_ -= take;
      if (left_ == 0) state_ = State::kDataCr;
      return {.step = Step::kData, .used = used + take, .data = input.substr(used, take)};
    }
    const char c = input[used++];
    bool fine = true;
    switch (state_) {
      case State::kDataCr:
        fine = c == '\r';
        state_ = State::kDataLf;
        break;
      case State::kDataLf:
        fine = c == '\n';
        state_ = State::kSize;
        break;
      case State::kTrailer:
        fine = take_trailer_char(c);
        break;
      default:
        fine = take_size_char(c);
    }
    if (!fine) return {.step = Step::kMalformed, .used = used, .data = {}};
  }
  return {.step = Step::kEnd, .used = used, .data = {}};
}

}  // namespace carillon::api
