// What the fuzzers try: each takes any bytes, and throws Broken if what it tried does not hold.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>

namespace carillon::fuzz {

using Bytes = std::span<const std::uint8_t>;

struct Broken : std::logic_error {
  using std::logic_error::logic_error;
};

inline void expect(bool holds, std::string_view sentence) {
  if (!holds) throw Broken(fmt::format("this does not hold: {}", sentence));
}

inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Target {
  std::string_view name;  // of its corpus, too: corpus/NAME.txt
  void (*run)(Bytes input);
};

// In the order of their names.
std::span<const Target> targets();

void try_apns_channel_reply(Bytes input);
void try_apns_verdict(Bytes input);
void try_chunked_body(Bytes input);
void try_condition(Bytes input);
void try_csv_line(Bytes input);
void try_event(Bytes input);
void try_fcm_verdict(Bytes input);
void try_http2_session(Bytes input);
void try_import_line(Bytes input);
void try_jwt(Bytes input);
void try_oauth_answer(Bytes input);
void try_push_message(Bytes input);
void try_request_head(Bytes input);
void try_subscription(Bytes input);
void try_webpush_verdict(Bytes input);

}  // namespace carillon::fuzz
