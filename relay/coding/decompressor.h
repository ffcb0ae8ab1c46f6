// Compressed bytes in, the data out, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "relay/coding/coding.h"

namespace carillon::coding {

// A zstd window is memory of the reader. 8 MiB is what RFC 9659 lets an HTTP body ask for; 128 MiB
// is what `zstd --ultra` and `--long` write and the zstd command reads by default.
inline constexpr unsigned kZstdWindowLogMaxHttp = 23;
inline constexpr unsigned kZstdWindowLogMaxFile = 27;

enum class CodingFault : std::uint8_t {
  kMalformed,  // not of that coding, damaged, or cut off
  kTooLarge,   // more data than `data_bytes_max`, or a window larger than allowed
};

// Holds one piece of data, and zstd's window. For one thread.
class Decompressor {
 public:
  struct Options {
    std::optional<Coding> coding = std::nullopt;  // nothing: told by the first bytes
    std::uint64_t data_bytes_max = std::numeric_limits<std::uint64_t>::max();
    unsigned zstd_window_log_max = kZstdWindowLogMaxFile;
  };
  explicit Decompressor(Options options);
  ~Decompressor();

  // Takes from the front of `input`. The next piece of data, until the next call with the same or
  // further input; empty: `input` is used up. Members and frames may follow each other, as both
  // formats allow. A fault is final.
  tl::expected<std::string_view, CodingFault> next(std::string_view& input);
  // After the last input: what is left where the first bytes were too few to tell the coding.
  // kMalformed if the data was cut off. Once.
  tl::expected<std::string_view, CodingFault> finish();

  // Known after kMagicBytes bytes.
  Coding coding() const { return options_.coding.value_or(Coding::kNone); }

 private:
  class Stream;
  class Gzip;
  class Zstd;

  void begin();
  tl::expected<std::string_view, CodingFault> counted(std::string_view data);
  tl::expected<std::string_view, CodingFault> decode(std::string_view& input);

  Options options_;
  std::string first_;  // held back until they tell the coding
  std::size_t first_used_ = 0;
  std::unique_ptr<Stream> stream_;  // null: as it is
  bool begun_ = false;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace carillon::coding
