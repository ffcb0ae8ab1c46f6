// What the plain client is told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace carillon::bench {

struct ClientOptions {
  std::string host;  // an IPv4 address
  std::uint16_t port = 0;
  std::string authority;  // as in the URL
  std::string path;       // the whole, or what comes before the token
  std::string ca_file;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // One after the other, for ever; all of the same length. Empty: every request has `path`.
  std::string tokens;
  std::size_t token_bytes = 0;
  bool with_apns_id = false;  // another one for each request
  std::uint64_t requests = 0;
  std::size_t connections = 1;
  std::size_t streams = 100;  // at once on a connection, if the peer allows as many

  std::size_t token_count() const { return token_bytes == 0 ? 0 : tokens.size() / token_bytes; }
};

// Of the command line; ends the process with a sentence if it makes no sense.
ClientOptions parse_client_options(int argc, char** argv);

}  // namespace carillon::bench
