#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "device-sim/population/mix.h"

namespace device_sim {

enum class Display : std::uint8_t {
  kShown,     // a new entry on the screen
  kReplaced,  // took the place of another event's entry with the same identity
  kFolded,    // the same event with the same identity again: nothing new to see
};
std::string_view display_name(Display display);

// A notification in the inbox of a phone.
struct PhoneMessage {
  std::uint64_t sequence = 0;  // counts all messages of all phones, from 1
  std::uint64_t device = 0;
  Platform platform = Platform::kApns;
  std::string event;
  std::string title;
  std::string body;
  std::string identity;
  Display display = Display::kShown;
  std::int64_t received_ms = 0;  // Unix time
};

}  // namespace device_sim
