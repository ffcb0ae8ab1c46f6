// How long to wait before the next attempt at what has just failed: a connection, a credential.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace carillon::push::http2 {

// The first retry comes soon (a connection that was cut after good service is mostly just cut),
// every failure after it doubles the wait up to a minute. A platform reads quick connects and
// disconnects as an attack (Apple, "Establishing a connection to APNs"), so only an answered
// request counts as success, not an accepted connection.
class Backoff {
 public:
  static constexpr std::chrono::milliseconds kFirst{50};
  static constexpr std::chrono::milliseconds kSecond{1'000};
  static constexpr std::chrono::milliseconds kMax{60'000};

  explicit Backoff(std::uint64_t seed) : random_(seed) {}

  void on_success() noexcept { failures_ = 0; }

  // A failed attempt, or the loss of a connection. Returns how long to wait: between a half and the
  // whole of the step, so that many relays do not return at the same instant.
  std::chrono::milliseconds on_failure();

 private:
  std::minstd_rand random_;
  unsigned failures_ = 0;
};

}  // namespace carillon::push::http2
