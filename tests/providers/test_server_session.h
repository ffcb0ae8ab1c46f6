// A provider's side of an HTTP/2 connection, without I/O: what the tests script. Shares nothing
// with the client but nghttp2.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace carillon::push::test {

struct ServerRequest {
  int connection = 0;
  std::int32_t stream_id = 0;
  std::map<std::string, std::string> headers;
  std::string body;
};

struct ServerReply {
  enum class Kind { kAnswer, kSilence, kReset, kGoaway, kCut };
  Kind kind = Kind::kAnswer;
  int status = 200;
  std::map<std::string, std::string> headers = {};
  std::string body = {};
  std::uint32_t error_code = 0;     // of kReset and kGoaway
  std::int32_t last_stream_id = 0;  // of kGoaway
  std::string debug_data = {};      // of kGoaway

  static ServerReply ok() { return {}; }
  static ServerReply silence() { return {.kind = Kind::kSilence}; }
  static ServerReply cut() { return {.kind = Kind::kCut}; }
  static ServerReply reset(std::uint32_t code) {
    return {.kind = Kind::kReset, .error_code = code};
  }
  static ServerReply error(int status, std::string body) {
    return {.status = status, .body = std::move(body)};
  }
};

class ServerSession {
 public:
  struct Options {
    std::optional<std::uint32_t> streams_max = std::nullopt;  // in the first SETTINGS
    std::optional<std::uint32_t> window_bytes = std::nullopt;
    // Without it nothing is answered: the test answers by `reply`.
    std::function<ServerReply(const ServerRequest&)> handler = nullptr;
    int connection = 0;
  };

  explicit ServerSession(Options options);

  // False: the connection is to be closed.
  bool receive(std::span<const std::uint8_t> bytes);
  std::vector<std::uint8_t> produce();

  void reply(std::int32_t stream_id, const ServerReply& reply);
  void set_streams_max(std::uint32_t streams_max);
  // SETTINGS_HEADER_TABLE_SIZE, one SETTINGS frame for each.
  void set_table_sizes(const std::vector<std::uint32_t>& sizes);
  void send_goaway(std::int32_t last_stream_id, std::uint32_t error_code, std::string debug_data);
  void widen_connection_window(std::int32_t bytes);

  std::vector<ServerRequest> complete;  // requests with their whole body, in order
  std::map<std::int32_t, ServerRequest> open;
  std::map<std::int32_t, ServerRequest> unanswered;  // complete, and nothing said to them yet
  std::vector<std::int32_t> reset_by_client;
  int pings = 0;
  bool goaway_by_client = false;
  bool cut = false;

 private:
  friend struct ServerCallbacks;
  struct Deleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };
  Options options_;
  std::unique_ptr<nghttp2_session, Deleter> session_;
  std::vector<std::int32_t> to_answer_;
  std::map<std::int32_t, std::string> bodies_;
};

}  // namespace carillon::push::test
