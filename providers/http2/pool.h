// Connections to one endpoint: as many as are needed, spread over its addresses, replaced when they
// go.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "providers/http2/event_loop.h"
#include "providers/http2/https_url.h"
#include "providers/http2/request_source.h"
#include "providers/http2/tls_context.h"

namespace carillon::push::http2 {

// Since the latest urgent request.
inline constexpr LoopTime kUrgentKept{10'000};
// Since the latest doubtful request.
inline constexpr LoopTime kDoubtfulKept{10'000};

struct PoolConfig {
  HttpsUrl url;
  TlsContext tls;
  std::size_t connections_max = 1;
  std::size_t streams_max = 1000;  // per connection, whatever the peer allows beyond it
  LoopTime connect_max{10'000};    // from the first SYN to the peer's SETTINGS
  LoopTime request_max{30'000};    // from a request's start to its answer
  LoopTime stuck_after{5'000};     // silence with requests open, then a PING
  LoopTime idle_after{3'600'000};  // silence without, then a PING
  LoopTime ping_max{5'000};        // from a PING to any byte
  std::uint64_t seed = 0;          // of the backoff's jitter
  // Connect to addresses of the open internet alone (public_address.h): what the host's name
  // resolves to is looked at each time, and it is that address which is connected to.
  bool public_addresses_only = false;
  // As in ChannelLimits.
  std::function<std::vector<std::string>(const std::string& host)> resolve = {};

  // How coarse these times are: an eighth of the shortest, within 5 and 250 ms.
  LoopTime tick() const;
};

struct PoolStats {
  std::size_t connections = 0;   // established and taking requests
  std::size_t stream_slots = 0;  // on those
  std::size_t in_flight = 0;     // open requests, also on connections that take no more
  bool connecting = false;       // one is being opened, or has further addresses to try
};

// Loop thread only, but for the constructor. Connects when the source has something ready, grows
// while more is ready than the open connections take, one connection at a time. The host is
// resolved anew for each, which then goes to the address with the fewest of our connections, and
// among those to the one that was used longest ago. What is doubtful has a connection of its own
// while there is any and kDoubtfulKept longer, if there may be more than one. A request is retried
// by nobody here: while it is not on the wire it has simply not left its source.
class Pool {
 public:
  // `source` outlives the pool's close.
  Pool(EventLoop& loop, PoolConfig config, RequestSource& source);
  ~Pool();  // closed, or never pumped
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // The source has become ready.
  void pump();

  // An urgent request has come, so more will: for kUrgentKept one of several connections takes no
  // other. What is on the wire is answered in its order, more or less, so that behind a thousand
  // requests of a bulk send the most urgent one waits for a thousand answers.
  void expect_urgent();

  // No further requests on the connection of this stream, which is one of its answers' word: what
  // is open there ends as it would, another connection is opened for the rest.
  void retire(const Stream& stream);

  // What requests are authorized with from now on; `now` is the calendar's. A connection that has
  // brought another credential, and that for less than `kept`, takes no further requests: what is
  // open there ends as it would, others are opened at once, as nobody was refused.
  void bring(const std::shared_ptr<const std::string>& credential,
             std::chrono::system_clock::time_point now, std::chrono::minutes kept);

  PoolStats stats() const;
  // Why the latest connection failed; empty if none did.
  const std::string& last_error() const;
  LoopTime now() const;

  // Starts nothing more, lets what is open end until `grace`, settles the rest, then calls `done`
  // (after it has returned). The source is not used from then on.
  void close(LoopTime grace, std::function<void()> done);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace carillon::push::http2
