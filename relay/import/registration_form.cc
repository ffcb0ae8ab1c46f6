#include "relay/import/registration_form.h"

#include <array>
#include <cstdint>

namespace carillon::import {
namespace {

// Which alphabets a byte belongs to, one bit each: a token is checked byte by byte for every line
// of an import, so this is one load and one AND.
enum Alphabet : std::uint8_t {
  kHex = 1,
  kFcmTokenCharacter = 2,
  kTopicCharacter = 4,
  kAppCharacter = 8,
  kLocaleCharacter = 16,
  kTimezoneCharacter = 32,
  kVersionCharacter = 64,
  kPrintable = 128,  // any byte that is no ASCII control character; UTF-8's own bytes included
};

constexpr std::array<std::uint8_t, 256> make_alphabets() {
  std::array<std::uint8_t, 256> table{};
  const auto add = [&table](std::string_view characters, unsigned alphabets) {
    for (const char c : characters) {
      auto& entry = table[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | alphabets);
    }
  };
  for (unsigned byte = 0x20; byte < 256; ++byte) {
    if (byte != 0x7f) table[byte] = kPrintable;
  }
  add("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
      kFcmTokenCharacter | kTopicCharacter | kAppCharacter | kLocaleCharacter | kTimezoneCharacter |
          kVersionCharacter);
  add("ABCDEFabcdef0123456789", kHex);
  add("_-", kFcmTokenCharacter | kTopicCharacter | kAppCharacter | kLocaleCharacter |
                kTimezoneCharacter | kVersionCharacter);
  add(".", kFcmTokenCharacter | kTopicCharacter | kAppCharacter | kVersionCharacter);
  add(":", kFcmTokenCharacter);
  add("~%", kTopicCharacter);
  add("/+", kTimezoneCharacter);
  add("+", kVersionCharacter);
  return table;
}
constexpr std::array<std::uint8_t, 256> kAlphabets = make_alphabets();

bool all_of(std::string_view text, Alphabet alphabet) {
  std::uint8_t common = alphabet;
  for (const char c : text) common &= kAlphabets[static_cast<unsigned char>(c)];
  return common != 0;
}

bool within(std::string_view text, std::size_t min, std::size_t max) {
  return text.size() >= min && text.size() <= max;
}

static_assert(store::kNameBytesMax == 128 && kAppBytesMax == 64 && kApnsTokenCharsMax == 200 &&
                  store::kTokenBytesMax == 4096 && store::kLocaleBytesMax == 35 &&
                  store::kTimezoneBytesMax == 64 && store::kAppVersionBytesMax == 64 &&
                  store::kAttributeNameBytesMax == 64 && store::kAttributeTextBytesMax == 256,
              "the sentences below name these limits");

}  // namespace

std::string_view name_fault(std::string_view name) {
  if (!within(name, 1, store::kNameBytesMax)) return "must be 1 to 128 bytes long";
  if (!all_of(name, kPrintable)) return "must not contain control characters";
  return {};
}

std::string_view app_fault(std::string_view app) {
  if (within(app, 1, kAppBytesMax) && all_of(app, kAppCharacter)) return {};
  return "must be 1 to 64 of A-Z a-z 0-9 . _ -";
}

std::string_view topic_fault(std::string_view topic) {
  if (within(topic, 1, store::kNameBytesMax) && all_of(topic, kTopicCharacter)) return {};
  return "must be 1 to 128 of A-Z a-z 0-9 . _ ~ % -";
}

std::string_view token_fault(store::Platform platform, std::string_view token) {
  switch (platform) {
    case store::Platform::kApns:
      if (within(token, kApnsTokenCharsMin, kApnsTokenCharsMax) && token.size() % 2 == 0 &&
          all_of(token, kHex)) {
        return {};
      }
      return "must be an APNs token: an even number of hex digits, 2 to 200";
    case store::Platform::kFcm:
      if (within(token, 1, store::kTokenBytesMax) && all_of(token, kFcmTokenCharacter)) return {};
      return "must be an FCM token: 1 to 4096 of A-Z a-z 0-9 _ : . -";
    case store::Platform::kWebPush:
      break;
  }
  return "must be an APNs or FCM token";
}

std::string_view locale_fault(std::string_view locale) {
  if (within(locale, 0, store::kLocaleBytesMax) && all_of(locale, kLocaleCharacter)) return {};
  return "must be a language tag such as \"de\" or \"pt-BR\", at most 35 bytes";
}

std::string_view timezone_fault(std::string_view timezone) {
  if (within(timezone, 0, store::kTimezoneBytesMax) && all_of(timezone, kTimezoneCharacter))
    return {};
  return "must be a zone such as \"Europe/Berlin\", at most 64 bytes";
}

std::string_view app_version_fault(std::string_view version) {
  if (version.empty()) return {};
  if (within(version, 1, store::kAppVersionBytesMax) && version[0] >= '0' && version[0] <= '9' &&
      all_of(version, kVersionCharacter)) {
    return {};
  }
  return "must be a version such as \"3.10.1\": a digit, then A-Z a-z 0-9 . + _ -, at most 64 "
         "bytes";
}

std::string_view attribute_name_fault(std::string_view name) {
  if (!within(name, 1, store::kAttributeNameBytesMax)) return "must be 1 to 64 bytes long";
  if (!all_of(name, kPrintable)) return "must not contain control characters";
  return {};
}

std::string_view attribute_text_fault(std::string_view text) {
  if (!within(text, 0, store::kAttributeTextBytesMax)) return "must be at most 256 bytes long";
  if (!all_of(text, kPrintable)) return "must not contain control characters";
  return {};
}

std::string_view last_seen_fault(std::int64_t last_seen_ms, std::int64_t now_ms) {
  if (last_seen_ms - kLastSeenAheadMaxMs <= now_ms) return {};
  return "lies more than a day ahead of this machine's clock";
}

std::optional<store::Platform> platform_named(std::string_view name) {
  if (name == "apns") return store::Platform::kApns;
  if (name == "fcm") return store::Platform::kFcm;
  if (name == "webpush") return store::Platform::kWebPush;
  return std::nullopt;
}

}  // namespace carillon::import
