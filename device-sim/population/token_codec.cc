#include "device-sim/population/token_codec.h"

#include <bit>
#include <cstring>

namespace device_sim {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kFcmMark = ":APA91b";
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> reverse(std::string_view alphabet, bool fold_case) {
  std::array<std::uint8_t, 256> table{};
  table.fill(kNoDigit);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    const auto c = static_cast<unsigned char>(alphabet[i]);
    table[c] = static_cast<std::uint8_t>(i);
    if (fold_case && c >= 'a' && c <= 'z') table[c - 'a' + 'A'] = static_cast<std::uint8_t>(i);
  }
  return table;
}

constexpr auto kHexDigit = reverse(kHex, true);
constexpr auto kBase64Digit = reverse(kBase64Url, false);

// Two characters of the base64url alphabet for every 12-bit value, so that filler is made and
// compared pairwise.
constexpr auto kPairs = [] {
  std::array<std::array<char, 2>, 4096> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = {kBase64Url[i >> 6], kBase64Url[i & 63]};
  }
  return pairs;
}();

void write_hex(std::uint64_t word, char* out) {
  for (int i = 0; i < 16; ++i) out[i] = kHex[(word >> (60 - 4 * i)) & 15];
}

bool read_hex(const char* text, std::uint64_t& word) {
  std::uint64_t value = 0;
  std::uint8_t bad = 0;
  for (int i = 0; i < 16; ++i) {
    const std::uint8_t digit = kHexDigit[static_cast<unsigned char>(text[i])];
    bad |= digit;
    value = value << 4 | (digit & 15);
  }
  word = value;
  return bad < 16;
}

// 16 bytes are 22 characters: 21 of six bits and a last one of two bits, zero-padded (RFC 4648 §5).
void write_installation(std::uint64_t high, std::uint64_t low, char* out) {
  for (int i = 0; i < 10; ++i) out[i] = kBase64Url[(high >> (58 - 6 * i)) & 63];
  out[10] = kBase64Url[(high & 15) << 2 | low >> 62];
  for (int i = 0; i < 10; ++i) out[11 + i] = kBase64Url[(low >> (56 - 6 * i)) & 63];
  out[21] = kBase64Url[(low & 3) << 4];
}

bool read_installation(const char* text, std::uint64_t& high, std::uint64_t& low) {
  std::array<std::uint64_t, TokenCodec::kFcmInstallationLength> digit;
  std::uint64_t bad = 0;
  for (std::size_t i = 0; i < digit.size(); ++i) {
    digit[i] = kBase64Digit[static_cast<unsigned char>(text[i])];
    bad |= digit[i];
  }
  if (bad > 63 || (digit[21] & 15) != 0) return false;
  high = 0;
  for (std::size_t i = 0; i < 10; ++i) high = high << 6 | digit[i];
  high = high << 4 | digit[10] >> 2;
  low = digit[10] & 3;
  for (std::size_t i = 11; i < 21; ++i) low = low << 6 | digit[i];
  low = low << 2 | digit[21] >> 4;
  return true;
}

constexpr std::size_t kPairsPerWord = 5;

void write_filler(std::uint64_t check, char* out) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < TokenCodec::kFcmFillerLength / 2; ++i, word >>= 12) {
    if (i % kPairsPerWord == 0) word = splitmix64(check + i);
    std::memcpy(out + 2 * i, kPairs[word & 4095].data(), 2);
  }
}

}  // namespace

TokenCodec::TokenCodec(std::uint64_t seed) {
  for (std::size_t i = 0; i < kPlatformCount; ++i) {
    keys_[i] = Keys{.check = derive_key(seed, 2 * i), .mask = derive_key(seed, 2 * i + 1)};
  }
}

TokenCodec::Sealed TokenCodec::seal(Platform platform, std::uint64_t number) const {
  const Keys& keys = keys_[static_cast<std::size_t>(platform)];
  const std::uint64_t check = siphash24(keys.check, number);
  return Sealed{.masked = number ^ siphash24(keys.mask, check), .check = check};
}

std::optional<std::uint64_t> TokenCodec::open(Platform platform, Sealed sealed) const {
  const Keys& keys = keys_[static_cast<std::size_t>(platform)];
  const std::uint64_t number = sealed.masked ^ siphash24(keys.mask, sealed.check);
  if (siphash24(keys.check, number) != sealed.check) return std::nullopt;
  return number;
}

void TokenCodec::append_token(Platform platform, std::uint64_t number, std::string& out) const {
  const Sealed sealed = seal(platform, number);
  std::array<char, kFcmLength> text;
  if (platform == Platform::kApns) {
    write_hex(sealed.masked, text.data());
    write_hex(sealed.check, text.data() + 16);
    write_hex(splitmix64(sealed.check), text.data() + 32);
    write_hex(splitmix64(sealed.check + 1), text.data() + 48);
    out.append(text.data(), kApnsLength);
    return;
  }
  write_installation(sealed.masked, sealed.check, text.data());
  std::memcpy(text.data() + kFcmInstallationLength, kFcmMark.data(), kFcmMark.size());
  write_filler(sealed.check, text.data() + kFcmInstallationLength + kFcmMark.size());
  out.append(text.data(), kFcmLength);
}

std::string TokenCodec::token(Platform platform, std::uint64_t number) const {
  std::string text;
  append_token(platform, number, text);
  return text;
}

std::optional<std::uint64_t> TokenCodec::number_of(Platform platform,
                                                   std::string_view token) const {
  return platform == Platform::kApns ? number_of_apns(token) : number_of_fcm_form(platform, token);
}

std::optional<std::uint64_t> TokenCodec::number_of_apns(std::string_view token) const {
  if (token.size() != kApnsLength) return std::nullopt;
  Sealed sealed{};
  std::uint64_t filler0 = 0;
  std::uint64_t filler1 = 0;
  if (!read_hex(token.data(), sealed.masked) || !read_hex(token.data() + 16, sealed.check) ||
      !read_hex(token.data() + 32, filler0) || !read_hex(token.data() + 48, filler1)) {
    return std::nullopt;
  }
  if (filler0 != splitmix64(sealed.check) || filler1 != splitmix64(sealed.check + 1)) {
    return std::nullopt;
  }
  return open(Platform::kApns, sealed);
}

std::optional<std::uint64_t> TokenCodec::number_of_fcm_form(Platform platform,
                                                            std::string_view token) const {
  if (token.size() != kFcmLength ||
      token.substr(kFcmInstallationLength, kFcmMark.size()) != kFcmMark) {
    return std::nullopt;
  }
  Sealed sealed{};
  if (!read_installation(token.data(), sealed.masked, sealed.check)) return std::nullopt;
  std::array<char, kFcmFillerLength> filler;
  write_filler(sealed.check, filler.data());
  if (token.substr(kFcmLength - kFcmFillerLength) !=
      std::string_view(filler.data(), filler.size())) {
    return std::nullopt;
  }
  return open(platform, sealed);
}

std::optional<std::uint64_t> TokenCodec::number_of_installation(std::string_view fid) const {
  Sealed sealed{};
  if (fid.size() != kFcmInstallationLength ||
      !read_installation(fid.data(), sealed.masked, sealed.check)) {
    return std::nullopt;
  }
  return open(Platform::kFcm, sealed);
}

}  // namespace device_sim
