#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct ssl_st;

namespace device_sim {

// What a gateway knows of the connection that a request came over. One for each connection, on its
// loop's thread.
struct ClientConnection {
  enum class Certificate : std::uint8_t {
    kNone,     // the client has shown none
    kTrusted,  // of the port's authority, and valid now
    kRefused,
  };
  Certificate certificate = Certificate::kNone;
  // What the certificate names: the topics of Apple's extension 1.2.840.113635.100.6.3.6, or
  // without it the UID of its subject; empty: nothing, so it may send to any.
  std::vector<std::string> topics;

  // --- written by the gateway
  // The latest credential was good. Without it a connection may be held to one stream.
  bool is_authenticated = false;
  std::uint64_t bad_device_tokens = 0;  // answered
  // Its provider token, and when that was first seen here; 0: none yet.
  std::uint64_t provider_token = 0;
  std::int64_t provider_token_since_s = 0;
};

// As the handshake has left it; only after it.
ClientConnection read_client_certificate(ssl_st* ssl);

}  // namespace device_sim
