// An event's content as the store keeps it: what is needed to render it again after a restart.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/notification.h"
#include "relay/fanout/localization.h"

namespace carillon::fanout {

// JSON with short names and a format number. Without event_id, priority and times: those are
// columns of the event.
std::string encode_content(const push::Notification& notification, bool now_or_never,
                           const Localization* localization = nullptr);

struct Content {
  push::Notification notification;
  bool now_or_never = false;                                   // published with a TTL of 0
  std::shared_ptr<const Localization> localization = nullptr;  // null: one language
};

// Fails with one sentence on content of another format.
tl::expected<Content, std::string> decode_content(std::string_view content);

}  // namespace carillon::fanout
