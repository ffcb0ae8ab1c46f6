// A notification in Firebase's words.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/provider.h"

namespace carillon::push {

// Firebase, "ErrorCode": the payload. Measured here is the `message` without its token, which is
// more than Firebase counts (titles, bodies, data), never less.
inline constexpr std::size_t kFcmPayloadBytesMax = 4096;
// Firebase, "AndroidConfig": the longest time to live, four weeks.
inline constexpr std::chrono::seconds kFcmTtlMax{2'419'200};

// Pure. What becomes what stands in providers/README.md.
tl::expected<RenderedMessage, RenderError> render_fcm(const Notification& notification,
                                                      std::chrono::system_clock::time_point now);

// Printable ASCII that needs no escaping in a JSON string.
bool is_fcm_token(std::string_view token) noexcept;

}  // namespace carillon::push
