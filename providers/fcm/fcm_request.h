// A notification in Firebase's words.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/provider.h"

namespace carillon::push {

// Firebase, "ErrorCode": the payload. Measured here is the `message` without its token and without
// the headers for Apple and browsers that Carillon puts into it, which is more than Firebase counts
// (titles, bodies, data), never less.
inline constexpr std::size_t kFcmPayloadBytesMax = 4096;
// Firebase, "AndroidConfig": the longest time to live, four weeks.
inline constexpr std::chrono::seconds kFcmTtlMax{2'419'200};

// Pure. What becomes what stands in providers/README.md.
tl::expected<RenderedMessage, RenderError> render_fcm(const Notification& notification,
                                                      std::chrono::system_clock::time_point now);

// A message that reaches nobody: Google is asked to look at it only (`validate_only`), and nobody
// subscribes to its topic.
RenderedMessage fcm_probe();

// As the message that `render_fcm` made would be sent to a device, but only to be looked at. With
// `token_at`, the token is to be one; otherwise it goes to a topic that nobody subscribes to, for
// which Google has a lower ceiling (kFcmTopicPayloadBytesMax).
enum class FcmTarget : std::uint8_t { kDevice, kTopic };
RenderedMessage fcm_validation(const RenderedMessage& message, FcmTarget target);
// Firebase, "ErrorCode": the payload of a message to a topic.
inline constexpr std::size_t kFcmTopicPayloadBytesMax = 2048;
// Stands for a device's token where there is none in the body.
inline constexpr std::string_view kFcmNobodysToken = "nobody";

// Printable ASCII that needs no escaping in a JSON string.
bool is_fcm_token(std::string_view token) noexcept;

}  // namespace carillon::push
