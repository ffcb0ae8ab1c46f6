// A set of neighbouring subscribers, one bit each: what conditions are evaluated on, 16,384 at a
// time.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace carillon::store::sqlite {

inline constexpr std::uint32_t kWindowSubscribers =
    16'384;  // 2 KiB a set: a tree of them is in L1/L2

// Bit i is the subscriber base + i; who uses a set knows its base.
class SubscriberBits {
 public:
  void clear() { words_.fill(0); }
  void set(std::uint32_t i) { words_[i >> 6] |= std::uint64_t{1} << (i & 63); }
  void reset(std::uint32_t i) { words_[i >> 6] &= ~(std::uint64_t{1} << (i & 63)); }
  bool test(std::uint32_t i) const { return words_[i >> 6] >> (i & 63) & 1; }
  // All from `first` on, and no other.
  void set_from(std::uint32_t first) {
    clear();
    for (std::size_t w = first >> 6; w < words_.size(); ++w) words_[w] = ~std::uint64_t{0};
    if (first < kWindowSubscribers) words_[first >> 6] <<= first & 63;
  }
  bool none() const {
    std::uint64_t any = 0;
    for (const std::uint64_t word : words_) any |= word;
    return any == 0;
  }
  std::uint64_t count() const {
    std::uint64_t total = 0;
    for (const std::uint64_t word : words_)
      total += static_cast<std::uint64_t>(std::popcount(word));
    return total;
  }
  // The first at or after `i`; kWindowSubscribers: none.
  std::uint32_t next(std::uint32_t i) const {
    if (i >= kWindowSubscribers) return kWindowSubscribers;
    std::size_t w = i >> 6;
    std::uint64_t word = words_[w] & ~std::uint64_t{0} << (i & 63);
    while (word == 0) {
      if (++w == words_.size()) return kWindowSubscribers;
      word = words_[w];
    }
    return static_cast<std::uint32_t>(w << 6) + static_cast<std::uint32_t>(std::countr_zero(word));
  }
  SubscriberBits& operator&=(const SubscriberBits& other) {
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] &= other.words_[w];
    return *this;
  }
  SubscriberBits& operator|=(const SubscriberBits& other) {
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
    return *this;
  }
  SubscriberBits& remove(const SubscriberBits& other) {
    for (std::size_t w = 0; w < words_.size(); ++w) words_[w] &= ~other.words_[w];
    return *this;
  }
  std::array<std::uint64_t, kWindowSubscribers / 64>& words() { return words_; }
  const std::array<std::uint64_t, kWindowSubscribers / 64>& words() const { return words_; }

 private:
  std::array<std::uint64_t, kWindowSubscribers / 64> words_{};
};

}  // namespace carillon::store::sqlite
