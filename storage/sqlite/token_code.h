// How a device token is written in a `hot` chunk: as few bytes as its alphabet allows.
//
//   raw      length varint, bytes
//   hex32    32 bytes: 64 lower-case hexadecimal digits, what APNs gives out today
//   hex      length varint (bytes), bytes: other even counts of lower-case digits
//   letters  count varint (letters), place byte, ceil(6 × count / 8) bytes: A-Z a-z 0-9 - _, six
//            bits each, and at most one colon (an FCM token): place is its index + 1, 0 for none
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/sqlite/byte_reader.h"
#include "storage/store.h"

namespace carillon::store::sqlite {

enum class TokenCode : std::uint8_t { kRaw = 0, kHex32 = 1, kHex = 2, kLetters = 3 };

// What of a token says whose it is. A browser's token is its subscription, "endpoint p256dh auth":
// the endpoint alone decides, so that a subscription that comes with other keys takes the first's
// place instead of standing beside it.
constexpr std::string_view token_identity(Platform platform, std::string_view token) {
  return platform == Platform::kWebPush ? token.substr(0, token.find(' ')) : token;
}

// Appends the bytes of the shortest code and says which it was.
TokenCode pack_token(std::string_view token, std::string& out);
// Reads one packed token and appends its text.
void unpack_token(TokenCode code, ByteReader& in, std::string& out);
// Passes over one packed token; the view is its bytes, length included.
std::string_view skip_token(TokenCode code, ByteReader& in);

}  // namespace carillon::store::sqlite
