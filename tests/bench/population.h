// Who is in the store that is measured: N subscribers with one APNs device each. All hear `all`;
// one in ten hears `tenth`; each hears one of a hundred topics; one in ten hears one of 10,000.
// That is 2.2 subscriptions each, topics of N, N / 10, 100 x N / 100 and 10,000 x N / 100,000.
//
// Everything follows from a device's number, so nothing is kept. What a topic holds is chosen by
// hash: members stand as far apart as in an audience that grew by itself.
#pragma once

#include <cstdint>
#include <string>

#include "storage/store.h"

namespace carillon::bench {

inline constexpr std::string_view kApp = "bench";
inline constexpr std::string_view kTopicOfAll = "all", kTopicOfTenth = "tenth",
                                  kTopicOfHundredth = "hundredth-7", kSmallTopic = "small-7";
// Nobody hears it in what is imported: who is to be in it is put there afterwards.
inline constexpr std::string_view kTopicOfThousandth = "thousandth";

// Well mixed bits of a number (the finalizer of SplitMix64, Steele, Lea, Flood 2014).
std::uint64_t mixed(std::uint64_t number);

std::string device_name(std::uint64_t number);
std::string subscriber_name(std::uint64_t number);
// 64 hex digits. `version` is another token of the same device.
void append_token(std::uint64_t number, std::uint64_t version, std::string& out);

enum class Topics : std::uint8_t { kOne, kAll };

// The import line with its newline.
void append_line(std::uint64_t number, Topics topics, std::string& out);

// A permutation of 0 .. count - 1 without a table: position to number.
class Shuffle {
 public:
  Shuffle(std::uint64_t count, std::uint64_t seed);
  std::uint64_t operator()(std::uint64_t position) const;

 private:
  std::uint64_t count_, seed_;
  int half_bits_ = 1;
};

}  // namespace carillon::bench
