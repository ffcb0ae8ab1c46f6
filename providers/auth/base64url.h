// Base64 as JOSE writes it: RFC 4648, section 5, without padding.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace carillon::push::auth {

std::string base64url(std::span<const std::uint8_t> bytes);
std::string base64url(std::string_view text);

}  // namespace carillon::push::auth
