#include "providers/webpush/origin_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "providers/http2/https_url.h"

namespace carillon::push {

std::vector<std::string> OriginList::known_services() {
  return {"fcm.googleapis.com", "updates.push.services.mozilla.com", "*.notify.windows.com",
          "*.push.apple.com"};
}

tl::expected<OriginList, std::string> OriginList::parse(const std::vector<std::string>& entries) {
  OriginList list;
  for (const std::string& text : entries) {
    Entry entry{.host = {}, .text = text};
    entry.below = text.starts_with("*.");
    const auto url = http2::parse_https_url("https://" + text.substr(entry.below ? 2 : 0));
    const bool lower_case =
        std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!url || url->path != "/" || text.ends_with('/') || !lower_case ||
        url->host.ends_with('.') || (entry.below && url->host.find('.') == std::string::npos)) {
      return tl::unexpected(
          fmt::format("\"{}\" must be a host, such as push.example.com, push.example.com:8443 or "
                      "*.push.example.com, in lower case",
                      text));
    }
    entry.host = (entry.below ? "." : "") + url->host;
    entry.port = url->port;
    list.entries_.push_back(std::move(entry));
  }
  return list;
}

bool OriginList::allows(std::string_view host, std::uint16_t port) const noexcept {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    if (entry.port != port) return false;
    if (!entry.below) return host == entry.host;
    return host.size() > entry.host.size() && host.ends_with(entry.host);
  });
}

std::vector<std::string> OriginList::urls() const {
  std::vector<std::string> urls;
  for (const Entry& entry : entries_) {
    if (!entry.below) urls.push_back("https://" + entry.text);
  }
  return urls;
}

std::string OriginList::text() const {
  std::string text;
  for (const Entry& entry : entries_) {
    if (!text.empty()) text += ", ";
    text += entry.text;
  }
  return text;
}

}  // namespace carillon::push
