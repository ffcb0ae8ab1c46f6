// Which push services a relay sends to. An endpoint comes from a browser, that is from anybody:
// without this list whoever registers a device has the relay call any host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace carillon::push {

// Immutable; any thread.
class OriginList {
 public:
  // Chrome and Edge on Android; Firefox; Edge on Windows; Safari.
  static std::vector<std::string> known_services();

  // Each entry is HOST, HOST:PORT, or *.HOST for every name below it; the port is 443 if none is
  // named. The error is a sentence that quotes the entry.
  static tl::expected<OriginList, std::string> parse(const std::vector<std::string>& entries);

  // `host` in lower case.
  bool allows(std::string_view host, std::uint16_t port) const noexcept;

  // The entries that name one host, as URLs without a path: "https://fcm.googleapis.com".
  std::vector<std::string> urls() const;

  // The entries, for a sentence: "fcm.googleapis.com, *.push.apple.com".
  std::string text() const;

 private:
  struct Entry {
    std::string host;  // after the "*", if `below`: ".push.apple.com"
    std::uint16_t port = 443;
    bool below = false;
    std::string text;
  };
  std::vector<Entry> entries_;
};

}  // namespace carillon::push
