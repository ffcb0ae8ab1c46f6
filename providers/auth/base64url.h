// Base64 as JOSE writes it: RFC 4648, section 5, without padding.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace carillon::push::auth {

std::string base64url(std::span<const std::uint8_t> bytes);
std::string base64url(std::string_view text);

// Fills `bytes`. False: `text` is not exactly so many bytes in that form ('=' at its end is taken
// as well), and `bytes` is left in pieces.
bool decode_base64url(std::string_view text, std::span<std::uint8_t> bytes) noexcept;

}  // namespace carillon::push::auth
