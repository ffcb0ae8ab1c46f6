#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct nghttp2_session;
struct ssl_st;

namespace device_sim {

// What a client shows when it is asked who it is.
struct ClientIdentity {
  std::string certificate_pem;
  std::string key_pem;
};

// A blocking TLS connection for tests. Everything that waits gives up after kPatience.
class TlsClient {
 public:
  static constexpr auto kPatience = std::chrono::seconds(10);

  // `alpn` in wire form without the first length, e.g. "h2"; empty: none is sent.
  TlsClient(std::uint16_t port, std::string_view alpn, const ClientIdentity* identity = nullptr);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool is_connected() const { return connected_; }
  std::string alpn() const;
  void send(std::string_view bytes);
  // Some bytes; empty when the peer has closed, the connection broke, or patience ended.
  std::string receive();
  // How it ended: an end of file is orderly, a reset is not.
  bool was_reset() const { return was_reset_; }
  bool is_closed() const { return is_closed_; }
  // Up to the text, which is included; what came by then if it never comes.
  std::string receive_until(std::string_view text);
  // A whole HTTP/1.1 answer with Content-Length.
  std::string receive_http1_answer();

 private:
  int socket_ = -1;
  ssl_st* ssl_ = nullptr;
  bool connected_ = false;
  bool was_reset_ = false;
  bool is_closed_ = false;
  std::string pending_;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

// An HTTP/2 client on nghttp2, independent of everything that the relay sends with.
class Http2Client {
 public:
  struct Answer {
    int status = 0;
    std::map<std::string, std::string> headers;
    std::string body;
    int data_frames = 0;
    bool headers_ended_stream = false;
    bool is_done = false;  // ended by the server, or closed
    std::optional<std::uint32_t> reset_code;
  };
  struct Goaway {
    std::int32_t last_stream_id = 0;
    std::uint32_t error_code = 0;
    std::string debug;
  };

  explicit Http2Client(std::uint16_t port, std::string_view alpn = "h2",
                       const ClientIdentity* identity = nullptr);
  ~Http2Client();

  // Header names as they go on the wire, pseudo headers first. Returns the stream's id.
  std::int32_t submit(const Headers& headers, const std::string& body);
  // A stream whose body never ends.
  std::int32_t submit_without_end(const Headers& headers);
  void cancel(std::int32_t id);
  // Sends and receives until `done`, the end of the connection or of patience.
  bool run_until(const std::function<bool()>& done);
  Answer fetch(const Headers& headers, const std::string& body);
  void flush();

  const Answer& answer(std::int32_t id) { return answers_[id]; }
  std::size_t done_count() const;
  const std::optional<Goaway>& goaway() const { return goaway_; }
  bool has_settings() const { return has_settings_; }
  std::uint32_t max_concurrent_streams() const;
  TlsClient& tls() { return tls_; }

 private:
  friend struct ClientCallbacks;

  TlsClient tls_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::string> bodies_;
  std::map<std::int32_t, Answer> answers_;
  std::optional<Goaway> goaway_;
  bool has_settings_ = false;
};

}  // namespace device_sim
