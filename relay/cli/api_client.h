// A relay's HTTP API as the commands see it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "relay/cli/terminal.h"

namespace carillon::cli {

inline constexpr const char* kUrlVariable = "CARILLON_URL";
inline constexpr const char* kKeyVariable = "CARILLON_API_KEY";
inline constexpr const char* kUrlDefault = "http://127.0.0.1:8080";

struct ApiAddress {
  std::string url;      // http or https, host, port; empty: CARILLON_URL, then kUrlDefault
  std::string key;      // empty: CARILLON_API_KEY
  std::string ca_file;  // for https; empty: the system's
};

// Blocking, for one thread. A connection is kept between calls.
class ApiClient {
 public:
  struct Answer {
    int status = 0;
    std::string content_type;
    std::string body;
    bool ok() const { return status >= 200 && status < 300; }
  };
  struct Timeouts {
    std::chrono::milliseconds connect{5'000};
    std::chrono::milliseconds read{30'000};  // an import or a publish behind a slow disk
    // The relay sends progress about once a second: silence means that the connection is gone.
    std::chrono::milliseconds stream_silence{10'000};
  };

  // The error is a sentence about the address or the missing key.
  static tl::expected<ApiClient, std::string> connect_to(ApiAddress address,
                                                         const Terminal& terminal,
                                                         Timeouts timeouts);
  static tl::expected<ApiClient, std::string> connect_to(ApiAddress address,
                                                         const Terminal& terminal) {
    return connect_to(std::move(address), terminal, Timeouts());
  }
  ApiClient(ApiClient&&) noexcept;
  ~ApiClient();

  // An error is a sentence about the connection: no answer came.
  using Headers = std::multimap<std::string, std::string>;
  tl::expected<Answer, std::string> get(const std::string& path);
  tl::expected<Answer, std::string> post(const std::string& path, const std::string& json,
                                         const Headers& headers);
  tl::expected<Answer, std::string> post(const std::string& path);  // without a body
  tl::expected<Answer, std::string> erase(const std::string& path);
  // Hands over the body of a 200 as it comes; `on_bytes` returns false to end it. An answer that is
  // not 200 comes back whole, with its body.
  tl::expected<Answer, std::string> stream(const std::string& path,
                                           const std::function<bool(std::string_view)>& on_bytes);

 private:
  class Impl;
  explicit ApiClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A name as one segment of a path (RFC 3986, section 3.3).
std::string path_segment(std::string_view name);

// An error answer for people: a problem document's (RFC 9457) title, detail and fields, each on a
// line; of anything else the status and the body's beginning.
std::string problem_text(const ApiClient::Answer& answer);

}  // namespace carillon::cli
