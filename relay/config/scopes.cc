#include "relay/config/scopes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace carillon::config {
namespace {

using Named = std::pair<std::string_view, std::uint32_t>;
constexpr std::array<Named, 3> kScopes{{
    {"publish", kScopePublish},
    {"subscribe", kScopeSubscribe},
    {"admin", kScopeAdmin},
}};

}  // namespace

tl::expected<std::uint32_t, std::string> parse_scopes(std::string_view list) {
  std::uint32_t scopes = 0;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string_view name = list.substr(begin, end - begin);
    const auto known = std::ranges::find(kScopes, name, &Named::first);
    if (known == kScopes.end()) {
      return tl::unexpected(fmt::format(
          "\"{}\" is not a scope: use publish, subscribe or admin, separated by commas", name));
    }
    if (scopes & known->second) {
      return tl::unexpected(fmt::format("the scope \"{}\" is given twice", name));
    }
    scopes |= known->second;
    begin = end + 1;
  }
  return scopes;
}

std::string scopes_text(std::uint32_t scopes) {
  std::string text;
  for (const auto& [name, bit] : kScopes) {
    if (!(scopes & bit)) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

}  // namespace carillon::config
