#include "tests/bench/population.h"

namespace carillon::bench {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

std::uint64_t mixed(std::uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

std::string device_name(std::uint64_t number) {
  return "d-" + std::to_string(number);
}

std::string subscriber_name(std::uint64_t number) {
  return "u-" + std::to_string(number);
}

void append_token(std::uint64_t number, std::uint64_t version, std::string& out) {
  for (std::uint64_t word = 0; word < 4; ++word) {
    const std::uint64_t bits = mixed(mixed(number * 4 + word) + version);
    for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kDigits[bits >> shift & 15]);
  }
}

void append_line(std::uint64_t number, Topics topics, std::string& out) {
  out += R"({"device":"d-)";
  out += std::to_string(number);
  out += R"(","app":"bench","platform":"apns","token":")";
  append_token(number, 0, out);
  out += R"(","subscriber":"u-)";
  out += std::to_string(number);
  out += R"(","topics":["all")";
  if (topics == Topics::kAll) {
    const std::uint64_t bits = mixed(number ^ 0x746f70696373);
    if (bits % 10 == 0) out += R"(,"tenth")";
    out += R"(,"hundredth-)";
    out += std::to_string(bits / 10 % 100);
    out += '"';
    if (bits / 1000 % 10 == 0) {
      out += R"(,"small-)";
      out += std::to_string(bits / 10'000 % 10'000);
      out += '"';
    }
  }
  out += "]}\n";
}

// A Feistel network of four rounds over the next even power of two, walked until inside.
Shuffle::Shuffle(std::uint64_t count, std::uint64_t seed) : count_(count), seed_(seed) {
  while (count > std::uint64_t{1} << (2 * half_bits_)) ++half_bits_;
}

std::uint64_t Shuffle::operator()(std::uint64_t position) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  do {
    std::uint64_t left = position >> half_bits_, right = position & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t next = left ^ (mixed(right ^ mixed(seed_ + round)) & mask);
      left = right;
      right = next;
    }
    position = left << half_bits_ | right;
  } while (position >= count_);
  return position;
}

}  // namespace carillon::bench
