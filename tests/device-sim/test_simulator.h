#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "device-sim/population/population.h"
#include "device-sim/simulator.h"
#include "tests/device-sim/tls_client.h"

namespace device_sim {

// A running simulator on free ports with a clock that the test moves.
class TestSimulator {
 public:
  explicit TestSimulator(SimulatorOptions options = default_options());

  // 1,000 devices of seed 7, half on each platform; keys and certificate of this run.
  static SimulatorOptions default_options();

  std::uint16_t apns_port() const { return simulator_->apns_address().port; }
  std::uint16_t fcm_port() const { return simulator_->fcm_address().port; }
  const ListenAddress& control() const { return simulator_->control_address(); }
  Simulator& simulator() { return *simulator_; }

  void advance_clock(std::int64_t ms) { now_ms_ += ms; }
  std::int64_t now_s() const { return now_ms_ / 1'000; }
  std::int64_t now_ms() const { return now_ms_; }

  const Population& population() const { return population_; }
  // The number of the n-th device (from 0) on that platform.
  std::uint64_t device(Platform platform, std::size_t n = 0) const;
  std::string token(Platform platform, std::size_t n = 0) const;

  Headers apns_headers(const std::string& token) const;
  Headers fcm_headers(const std::string& access_token) const;
  // Over HTTP/2, as the official clients get one.
  std::string fetch_access_token() const;

  // The control API; `expected_status` is asserted by throwing.
  nlohmann::json get(const std::string& path) const;
  nlohmann::json send(const std::string& method, const std::string& path,
                      const nlohmann::json& body, int expected_status = 200) const;

 private:
  std::atomic<std::int64_t> now_ms_{1'800'000'000'000};
  Population population_;
  std::unique_ptr<Simulator> simulator_;
};

// Replaces, or adds, one header.
Headers with(Headers headers, const std::string& name, const std::string& value);
Headers without(Headers headers, const std::string& name);

std::string apns_body(const std::string& event);
std::string fcm_body(const std::string& token, const std::string& event,
                     const std::string& tag = "");

}  // namespace device_sim
