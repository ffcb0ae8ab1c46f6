// The truth about every phone: what the store and the relay say is held against it.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/fanout/steering.h"
#include "storage/store.h"

namespace carillon::simulation {

struct Phone {
  store::Platform platform = store::Platform::kApns;
  std::uint32_t version = 0;  // of its token
  bool registered = false;    // with the relay, and not erased
  bool subscribed = false;
  bool uninstalled = false;  // since its latest registration
  bool quarantined = false;  // as the store said last
  std::int64_t uninstalled_ms = 0;
  bool returned = false;  // registered the token again that had died at uninstalled_ms
};

inline std::string name_of(std::size_t phone) {
  return fmt::format("d-{}", phone);
}
inline std::string token_of(std::size_t phone, std::uint32_t version) {
  return fmt::format("{:032x}{:032x}", phone, version);
}
inline std::pair<std::size_t, std::uint32_t> phone_with(std::string_view token) {
  const std::string text(token);
  return {std::strtoull(text.substr(0, 32).c_str(), nullptr, 16),
          static_cast<std::uint32_t>(std::strtoull(text.substr(32).c_str(), nullptr, 16))};
}

// What phones got of one event.
struct Delivery {
  int sent = 0;
  int told_accepted = 0;  // the relay was told so
  std::set<std::array<std::uint8_t, 16>> identities;
};

// What somebody did to an event, as far as they were told of it.
struct Charge {
  std::optional<fanout::Wish> asked = {};  // and not answered
  std::int64_t asked_ms = 0;               // monotonic
  bool paused = false, cancelled = false;
  bool held = false;                  // nobody may be handed out
  std::uint64_t cancelled_least = 0;  // devices of whom the answer said that they get nothing
  std::uint32_t per_second = 0;       // 0: no limit
  std::int64_t slowed_at_ms = 0;      // monotonic
  std::uint64_t sent_slowly = 0;      // since then
  int replays = 0;                    // that took any failure
  std::uint64_t replayed = 0;         // failures that they took
  std::set<std::size_t> may_get_it_again = {};
};

struct Event {
  store::EventId id{};
  std::string key;
  std::uint64_t targeted = 0;
  std::uint64_t settled = 0;       // at the latest checkpoint
  std::set<std::size_t> audience;  // that it may reach
  std::set<std::size_t> left;      // of those: may have left since, so need not be reached
  std::map<std::size_t, Delivery> deliveries;
  Charge charge;
};

}  // namespace carillon::simulation
