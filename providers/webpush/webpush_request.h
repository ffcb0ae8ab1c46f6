// A notification as a browser's service worker gets it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/provider.h"

namespace carillon::push {

// The longest that a push service keeps a message: four weeks (Firebase); Mozilla and Apple keep
// them for 30 days, and take more without a word.
inline constexpr std::chrono::seconds kWebPushTtlMax{2'419'200};
// RFC 8030, 5.4.
inline constexpr std::size_t kWebPushTopicCharsMax = 32;

// Pure. What becomes what stands in providers/README.md. The body is the plaintext: it is encrypted
// for each browser.
tl::expected<RenderedMessage, RenderError> render_webpush(
    const Notification& notification, std::chrono::system_clock::time_point now);

// The Topic of a notification: what a service still keeps for the same subscription under the same
// one is replaced. 32 hexadecimal digits, as Apple is reported to refuse '_'.
std::string webpush_topic(const Notification& notification);

// RFC 8030, 5.3.
std::string_view webpush_urgency(Priority priority);

}  // namespace carillon::push
