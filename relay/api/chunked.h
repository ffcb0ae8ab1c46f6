// The chunked transfer coding (RFC 9112, section 7.1), undone step by step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace carillon::api {

// chunked-body = *(size [ext] CRLF data CRLF) "0" [ext] CRLF *(trailer CRLF) CRLF
// Bytes in, cut anywhere; stretches of the body out. Extensions and trailers are read over, within
// bounds. For one body.
class ChunkedDecoder {
 public:
  static constexpr std::size_t kSizeLineBytesMax = 256;  // with its extension
  static constexpr std::size_t kTrailerBytesMax = 4096;  // all of them together

  enum class Step : std::uint8_t {
    kData,       // `data` is part of the body; call again with the rest
    kNeedsMore,  // all of the input was used
    kEnd,        // the body is complete; what was not used is not part of it
    kMalformed,
  };
  struct Result {
    Step step = Step::kNeedsMore;
    std::size_t used = 0;   // bytes of the input, `data` included
    std::string_view data;  // into the input
  };

  Result next(std::string_view input);

 private:
  enum class State : std::uint8_t {
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailer,
    kEnd
  };

  bool take_size_char(char c);
  bool take_trailer_char(char c);

  State state_ = State::kSize;
  std::uint64_t left_ = 0;  // of the current chunk
  std::size_t line_ = 0;    // bytes of the current size line
  std::size_t digits_ = 0;
  std::size_t trailers_ = 0;  // bytes
  std::size_t trailer_line_ = 0;
  bool cr_ = false;
};

}  // namespace carillon::api
