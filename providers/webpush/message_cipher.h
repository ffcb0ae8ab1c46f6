// Encryption of a push message for one browser (RFC 8291 over RFC 8188, "aes128gcm").
//
//   body    := salt(16) rs(4, big-endian) idlen(1) keyid(idlen) record
//   record  := AES-128-GCM(plaintext 0x02), its tag of 16 bytes at the end
//
// A message is one record; its keyid is the sender's public key, which is made anew for each.
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "providers/webpush/subscription.h"

namespace carillon::push {

// RFC 8030, 7.2: a service may refuse a body of more.
inline constexpr std::size_t kWebPushBodyBytesMax = 4096;
// The header with its key, the delimiter and the tag.
inline constexpr std::size_t kSealBytes = 16 + 4 + 1 + kSubscriptionPointBytes + 1 + 16;
inline constexpr std::size_t kWebPushPlaintextBytesMax = kWebPushBodyBytesMax - kSealBytes;
static_assert(kWebPushPlaintextBytesMax == 3993);

// What is random in a message. Given only by tests.
struct MessageSecrets {
  std::array<std::uint8_t, 32> private_key{};  // of the sender, for this message
  std::array<std::uint8_t, 16> salt{};
};

// Algorithms are fetched and contexts are made once. One thread at a time.
class MessageCipher {
 public:
  MessageCipher();
  ~MessageCipher();
  MessageCipher(const MessageCipher&) = delete;
  MessageCipher& operator=(const MessageCipher&) = delete;

  // Appends the body to `out`. False, and `out` as it was: the key is no point of the curve.
  // `plaintext` has at most kWebPushPlaintextBytesMax bytes.
  bool seal(const SubscriptionKeys& to, std::string_view plaintext, std::string& out);
  bool seal(const SubscriptionKeys& to, std::string_view plaintext, const MessageSecrets& secrets,
            std::string& out);

  // RFC 8188 alone: one record under the key material `ikm`.
  void seal_record(std::span<const std::uint8_t> ikm, std::span<const std::uint8_t, 16> salt,
                   std::span<const std::uint8_t> keyid, std::string_view plaintext,
                   std::string& out);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

}  // namespace carillon::push
