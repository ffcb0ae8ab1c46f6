#include "providers/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace carillon::push {

std::string pointer_part(std::string_view name) {
  std::string part;
  for (const char c : name) {
    if (c == '~') {
      part += "~0";
    } else if (c == '/') {
      part += "~1";
    } else {
      part += c;
    }
  }
  return part;
}

std::string data_pointer(std::string_view name) {
  return "/data/" + pointer_part(name);
}

tl::expected<nlohmann::json, RenderError> parse_own_words(std::string_view text,
                                                          std::string_view pointer) {
  if (text.empty()) return nlohmann::json::object();
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) return json;
  return tl::unexpected(
      RenderError{.pointer = std::string(pointer), .message = "must be a JSON object"});
}

RenderError too_large(const Notification& notification, std::string_view own_words,
                      std::string_view own_words_pointer, std::string_view platform,
                      std::size_t bytes, std::size_t bytes_max) {
  std::size_t data = 0;
  for (const auto& [name, value] : notification.data) data += name.size() + value.size();
  const std::array<std::pair<std::size_t, std::string_view>, 5> parts = {{
      {notification.body.size(), "/notification/body"},
      {notification.title.size(), "/notification/title"},
      {notification.image.size(), "/notification/image"},
      {data, "/data"},
      {own_words.size(), own_words_pointer},
  }};
  const auto heaviest = std::max_element(
      parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return {.pointer = std::string(heaviest->second),
          .message = fmt::format("makes a payload of {} bytes for {}, which takes at most {}",
                                 bytes, platform, bytes_max)};
}

std::string dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace carillon::push
