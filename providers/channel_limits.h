// The limits of a way to a push service that every platform has, with what suits all of them; each
// platform's configuration says otherwise where its service does.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace carillon::push {

struct ChannelLimits {
  // A window of 64 KiB at 50 ms round trip carries some 5,000 small requests a second each.
  std::size_t connections_max = 4;
  // Per connection; what the service allows counts if it is less.
  std::size_t streams_max = 100;
  // From the first SYN to the service's SETTINGS.
  std::chrono::milliseconds connect_max{10'000};
  // From a request's start to its answer; then it is kUnanswered. Firebase asks for ≥ 10 s.
  std::chrono::milliseconds request_timeout{30'000};
  // The longest that a request waits for a credential, a connection and a stream; then it is
  // kNotSent.
  std::chrono::milliseconds queued_max{30'000};
  // Silence while requests are open, after which a PING asks whether anyone is there.
  std::chrono::milliseconds stuck_after{5'000};
  // Silence otherwise; Apple's advice is an hour.
  std::chrono::milliseconds idle_after{3'600'000};
  // From a PING to any sign of life; then the connection is given up.
  std::chrono::milliseconds ping_max{5'000};
  // The calendar, for tokens; injected by tests. Empty: the system's.
  std::function<std::chrono::system_clock::time_point()> calendar;
  // The addresses of a host, as numbers; asked for each connection, on the loop thread. Injected by
  // tests. Empty: the system's resolver.
  std::function<std::vector<std::string>(const std::string& host)> resolve;

  // Appends a sentence for each field that no channel can have.
  void find_problems(std::vector<std::string>& problems) const;
};

}  // namespace carillon::push
