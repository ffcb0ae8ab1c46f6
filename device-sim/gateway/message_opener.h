#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "device-sim/population/browser_keys.h"

struct evp_kdf_ctx_st;
struct evp_cipher_ctx_st;

namespace device_sim {

// Reads "aes128gcm" bodies (RFC 8188) and the push messages among them (RFC 8291). One thread.
class MessageOpener {
 public:
  MessageOpener();
  ~MessageOpener();
  MessageOpener(const MessageOpener&) = delete;
  MessageOpener& operator=(const MessageOpener&) = delete;

  // The plaintext of a message for device `number`; nothing if it was not encrypted for it, or has
  // another form than RFC 8291 §4 allows: one record, the sender's public key as its key id.
  std::optional<std::string> open(const BrowserKeys& keys, std::uint64_t number,
                                  std::string_view body);

  // RFC 8291 §3.4: the key material of a message, from what both sides share (ECDH), the browser's
  // secret, its public key and the sender's.
  std::string key_material(std::string_view shared, std::string_view secret, std::string_view own,
                           std::string_view sender);
  // RFC 8188 alone: any number of records under the key material `ikm`.
  std::optional<std::string> open_records(std::string_view ikm, std::string_view body);

 private:
  std::string hkdf(std::string_view salt, std::string_view ikm, std::string_view info,
                   std::size_t bytes);
  bool open_record(std::string_view key, std::string_view nonce, std::string_view record,
                   std::string& text);

  template <auto Free>
  struct Freer {
    template <typename T>
    void operator()(T* pointer) const {
      Free(pointer);
    }
  };
  static void free_kdf(evp_kdf_ctx_st* context);
  static void free_cipher(evp_cipher_ctx_st* context);
  std::unique_ptr<evp_kdf_ctx_st, Freer<free_kdf>> kdf_;
  std::unique_ptr<evp_cipher_ctx_st, Freer<free_cipher>> gcm_;
};

}  // namespace device_sim
