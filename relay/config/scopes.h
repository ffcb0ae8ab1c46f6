// What an API key may do, as the bits of store::ApiKey::scopes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace carillon::config {

inline constexpr std::uint32_t kScopePublish = 1;    // post events and read what became of them
inline constexpr std::uint32_t kScopeSubscribe = 2;  // devices, topics, import
inline constexpr std::uint32_t kScopeAdmin = 4;      // all of the above and everything else
inline constexpr std::uint32_t kScopesAll = kScopePublish | kScopeSubscribe | kScopeAdmin;

// "publish,subscribe" → bits; at least one, each at most once, no spaces. The error is a sentence
// that names the scope. Pure.
tl::expected<std::uint32_t, std::string> parse_scopes(std::string_view list);

// The other way round, in the order above; bits that this version does not know are left out.
std::string scopes_text(std::uint32_t scopes);

}  // namespace carillon::config
