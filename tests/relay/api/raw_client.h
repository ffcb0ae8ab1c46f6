// A client that says exactly what a test tells it to, byte for byte, and waits with a deadline.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace carillon::api {

struct RawAnswer {
  int status = 0;
  std::map<std::string, std::string> fields;  // lower-case names
  std::string body;
};

class RawClient {
 public:
  static constexpr std::chrono::seconds kDeadline{20};

  explicit RawClient(std::uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False: the server has closed.
  bool say(std::string_view bytes);
  // One whole answer; nothing if the server closed first or the deadline passed. `head_only`: to a
  // HEAD, or of a stream.
  std::optional<RawAnswer> answer(bool head_only = false);
  // say, then answer.
  std::optional<RawAnswer> ask(std::string_view bytes);

  // Everything up to and including `end`; nothing if it does not come.
  std::optional<std::string> read_through(std::string_view end);
  // Waits until the server closes. False: the deadline passed. What came is dropped.
  bool closed();
  // Waits until something has arrived, at most that long.
  bool readable(std::chrono::milliseconds wait) const;

 private:
  bool receive(std::chrono::steady_clock::time_point deadline);

  int socket_ = -1;
  bool end_ = false;
  std::string input_;
};

// "METHOD target" with a Host, the given further fields (each ended by CRLF), and a body with its
// length if there is one.
std::string request(std::string_view method, std::string_view target, std::string_view fields = "",
                    std::string_view body = "");

}  // namespace carillon::api
