// Numbers in chunks and rows: LEB128 varints, read with every bound checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {

inline constexpr std::size_t kVarintBytesMax = 10;

inline void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// The same where there is room for it; one past its last byte.
inline char* put_varint(char* at, std::uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

inline char* put_fixed32(char* at, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) *at++ = static_cast<char>(value >> shift);
  return at;
}

inline std::size_t varint_bytes(std::uint64_t value) {
  std::size_t bytes = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++bytes;
  }
  return bytes;
}

// Signed numbers, small ones of either sign in few bytes.
constexpr std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

// Reads forward; what does not fit is corruption of `where`, never a read past the end.
class ByteReader {
 public:
  ByteReader(std::string_view bytes, const char* where)
      : at_(reinterpret_cast<const std::uint8_t*>(bytes.data())),
        end_(at_ + bytes.size()),
        where_(where) {}

  bool done() const { return at_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  const std::uint8_t* at() const { return at_; }
  [[noreturn]] void corrupt() const { fail_corrupt(where_); }

  std::uint8_t byte() {
    if (at_ == end_) corrupt();
    return *at_++;
  }

  std::uint64_t varint() {
    if (at_ != end_ && *at_ < 0x80) return *at_++;
    return long_varint();
  }

  // A varint that must not pass `max`.
  template <class T>
  T varint_to(std::uint64_t max) {
    const std::uint64_t value = varint();
    if (value > max) corrupt();
    return static_cast<T>(value);
  }

  std::uint32_t fixed32() {
    const auto* p = take(4);
    return static_cast<std::uint32_t>(p[0]) | static_cast<std::uint32_t>(p[1]) << 8 |
           static_cast<std::uint32_t>(p[2]) << 16 | static_cast<std::uint32_t>(p[3]) << 24;
  }

  const std::uint8_t* take(std::size_t count) {
    if (left() < count) corrupt();
    const std::uint8_t* start = at_;
    at_ += count;
    return start;
  }

  std::string_view view(std::size_t count) {
    return {reinterpret_cast<const char*>(take(count)), count};
  }

 private:
  std::uint64_t long_varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = byte();
      if (shift == 63 && next > 1) corrupt();
      value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    corrupt();
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const char* where_;
};

inline void append_fixed32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift));
}

}  // namespace carillon::store::sqlite
