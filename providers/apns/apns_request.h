// A notification in Apple's words.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/provider.h"

namespace carillon::push {

// Apple, "Sending notification requests to APNs": the body of a request, but for VoIP.
inline constexpr std::size_t kApnsPayloadBytesMax = 4096;
// Same page: apns-collapse-id.
inline constexpr std::size_t kApnsCollapseIdBytesMax = 64;

// Pure. `topic` is the app's bundle id. What becomes what stands in providers/README.md.
tl::expected<RenderedMessage, RenderError> render_apns(const Notification& notification,
                                                       std::string_view topic);

// Hexadecimal digits: it stands in the path as it is. Apple says not to assume a length.
bool is_apns_token(std::string_view token) noexcept;

}  // namespace carillon::push
