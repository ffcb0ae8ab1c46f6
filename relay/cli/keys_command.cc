#include "relay/cli/keys_command.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <ostream>
#include <string_view>

#include "relay/cli/exit_code.h"
#include "relay/config/scopes.h"
#include "relay/import/registration_form.h"

namespace carillon::cli {
namespace {

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// RFC 4648, section 5, without padding: a key needs no escaping in a header or a shell.
std::string base64url(std::span<const unsigned char> bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned bits = 0;
  unsigned held = 0;
  for (const unsigned char byte : bytes) {
    bits = (bits << 8 | byte) & 0xFFFF;
    held += 8;
    while (held >= 6) {
      held -= 6;
      text += kAlphabet[(bits >> held) & 63];
    }
  }
  if (held > 0) text += kAlphabet[(bits << (6 - held)) & 63];
  return text;
}

std::optional<std::string> new_key() {
  std::array<unsigned char, kKeyRandomBytes> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return std::nullopt;
  return kKeyPrefix + base64url(random);
}

std::optional<std::array<std::uint8_t, 32>> sha256(std::string_view text) {
  std::array<std::uint8_t, 32> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    return std::nullopt;
  }
  return digest;
}

int fail(Terminal& terminal, std::string_view sentence) {
  terminal.err << fmt::format("carillon: {}\n", sentence);
  return kExitFailure;
}

std::string day_of(std::int64_t ms) {
  const std::chrono::sys_seconds at{std::chrono::seconds(ms / 1'000)};
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
}

}  // namespace

int run_keys_create(Terminal& terminal, store::Store& store, const std::string& name,
                    const std::string& scopes) {
  const auto bits = config::parse_scopes(scopes);
  const std::string_view name_fault = import::name_fault(name);
  if (!bits || !name_fault.empty()) {
    terminal.err << fmt::format("carillon: {}\n", bits ? fmt::format("--name: {}", name_fault)
                                                       : fmt::format("--scopes: {}", bits.error()));
    return kExitUsage;
  }
  const auto key = new_key();
  const auto hash = key ? sha256(*key) : std::nullopt;
  if (!hash) return fail(terminal, "OpenSSL has no random bytes or no SHA-256; no key was made");
  const auto stored =
      store.put_key({.name = name, .hash = *hash, .scopes = *bits, .created_ms = now_ms()});
  if (!stored) return fail(terminal, stored.error().message);
  terminal.out << *key + '\n' << std::flush;
  terminal.err << fmt::format("carillon: key \"{}\" may {}; keep it now, it is not shown again\n",
                              name, config::scopes_text(*bits));
  return kExitOk;
}

int run_keys_list(Terminal& terminal, store::Store& store) {
  auto keys = store.keys();
  if (!keys) return fail(terminal, keys.error().message);
  std::ranges::sort(*keys, {}, &store::ApiKey::name);
  std::size_t width = 4;
  for (const store::ApiKey& key : *keys) width = std::max(width, key.name.size());
  std::string table =
      fmt::format("{:<{}}  {:<23}  {:<20}  {}\n", "NAME", width, "SCOPES", "CREATED", "REVOKED");
  for (const store::ApiKey& key : *keys) {
    table += fmt::format("{:<{}}  {:<23}  {:<20}  {}\n", key.name, width,
                         config::scopes_text(key.scopes), day_of(key.created_ms),
                         key.revoked_ms == 0 ? "-" : day_of(key.revoked_ms));
  }
  terminal.out << table << std::flush;
  return kExitOk;
}

int run_keys_revoke(Terminal& terminal, store::Store& store, const std::string& name) {
  const auto revoked = store.revoke_key(name, now_ms());
  if (!revoked) return fail(terminal, revoked.error().message);
  terminal.err << fmt::format("carillon: key \"{}\" is revoked\n", name);
  return kExitOk;
}

}  // namespace carillon::cli
