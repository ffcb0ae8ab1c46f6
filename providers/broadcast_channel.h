// Broadcast channels of a platform: one message to all who follow a channel, without a token
// (Apple, "Sending broadcast push notification requests to APNs"; Live Activities alone).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace carillon::push {

// What a platform keeps for those who are not there when a message comes.
enum class ChannelStorage : std::uint8_t { kNone, kLatest };

struct ChannelRequest {
  enum class Kind : std::uint8_t { kCreate, kShow, kList, kDelete, kBroadcast };
  Kind kind = Kind::kList;
  ChannelStorage storage = ChannelStorage::kNone;  // kCreate
  std::string channel{};  // as the platform gave it: base64; kShow, kDelete, kBroadcast
  // --- kBroadcast
  std::string payload{};                  // a JSON object, sent as it is
  std::chrono::sys_seconds expires_at{};  // the epoch: now or never, all that kNone takes
  bool urgent = true;                     // at once; otherwise as the device's battery likes it
};

struct ChannelAnswer {
  enum class Kind : std::uint8_t {
    kDone,
    kUnknownChannel,     // the platform has no such channel of this app
    kRefused,            // it will never take this request
    kCredentialRefused,  // our key or certificate, or what the app may do
    kUnavailable,        // it cannot now, or was certainly not reached: free to ask again
    kUnanswered,         // asked, and nobody knows whether it was done
    kNotUnderstood,      // done, it says, but not what
    kUnsupported,        // this platform has no channels
  };
  Kind kind = Kind::kUnanswered;
  std::uint16_t status = 0;  // HTTP status, 0 if none came
  // The platform's word ("BadChannelId") or ours ("Timeout"); empty if done. Printable ASCII.
  std::string reason{};
  std::string channel{};                           // kCreate
  ChannelStorage storage = ChannelStorage::kNone;  // kShow
  std::vector<std::string> channels{};             // kList
  std::string request_id{};  // by which the platform's log names the request; empty: not told
};

// Called once, mostly on a provider's loop thread; must not block nor throw.
using HearChannel = std::function<void(ChannelAnswer)>;

// From `ask_channel` to `hear`: waiting for a connection, then for the answer.
inline constexpr std::chrono::milliseconds kChannelQueuedMax{10'000};
inline constexpr std::chrono::milliseconds kChannelAnswerMax{10'000};

}  // namespace carillon::push
