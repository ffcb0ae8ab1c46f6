// What a publisher wants a device to show, before any platform's words for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace carillon::push {

enum class Platform : std::uint8_t { kApns = 1, kFcm = 2, kWebPush = 3 };

// How soon a notification matters. `kUrgent` wakes the device now, `kBulk` lets it sleep.
enum class Priority : std::uint8_t { kUrgent = 1, kNormal = 2, kBulk = 3 };

// A value: one event's content. Strings are UTF-8. An empty string means "not given".
struct Notification {
  std::string event_id;  // canonical lower-case UUID; reaches the device with every notification
  std::string title;
  std::string body;
  std::string image;  // https URL
  std::string sound;
  std::string category;   // APNs category, Android channel's click action
  std::string thread_id;  // groups notifications on the screen
  std::string click_url;
  std::optional<std::uint32_t> badge;
  // An iPhone's app may change it before it is shown (its service extension): to decrypt, to
  // localize, to fetch. One with an image it may change in any case.
  bool mutable_content = false;
  std::map<std::string, std::string> data;  // the app's own pairs; names are checked per platform
  std::string collapse_key;  // a later notification with the same key replaces this one; ≤ 64 bytes
  Priority priority = Priority::kNormal;
  // Until when a platform may keep trying. The epoch (0) means: now or never.
  std::chrono::sys_seconds expires_at{};
  // Apple's name of the kind of push ("voip"); empty: alert or background, as there is something to
  // show or not. No other platform looks at it.
  std::string apns_push_type;
  // The publisher's own words for one platform, a JSON object each, merged over what is rendered
  // from the fields above; empty if not given.
  std::string apns_json;
  std::string fcm_json;
  std::string webpush_json;

  // Nothing to show: only `data` or a platform's own words.
  bool silent() const { return title.empty() && body.empty(); }
};

}  // namespace carillon::push
