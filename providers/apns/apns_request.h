// A notification in Apple's words.
#pragma once

#include <chrono>
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "providers/apns/apns_push_type.h"
#include "providers/provider.h"

namespace carillon::push {

// Apple, "Sending notification requests to APNs": apns-collapse-id.
inline constexpr std::size_t kApnsCollapseIdBytesMax = 64;

// Who sends: what a request's topic is made of, and what it may be.
struct ApnsSender {
  std::string bundle_id;
  bool by_certificate = false;
  // That the certificate names; empty: any.
  std::vector<std::string> topics = {};
};

// What `aps` says beside its words: sound, badge, category, thread, whether the app may change it.
// Pure, as all of this.
nlohmann::json apns_marks(const Notification& notification);

// Whether there is anything to show, sound or count; otherwise the push wakes the app only.
bool is_shown_by_apple(const nlohmann::json& aps);

// Whether a collapse key can stand in a header as it is: printable ASCII, up to
// kApnsCollapseIdBytesMax.
bool is_apns_collapse_id(std::string_view key) noexcept;

// What becomes what stands in providers/README.md.
tl::expected<RenderedMessage, RenderError> render_apns(const Notification& notification,
                                                       const ApnsSender& sender);

// A message that reaches nobody, to be sent to kApnsNobodysToken: a background push, which even a
// device would not show; of the first push type that the sender's certificate names, if it does not
// name the app itself.
RenderedMessage apns_probe(const ApnsSender& sender);
// Of the form of a token, and no device's.
inline constexpr std::string_view kApnsNobodysToken =
    "0000000000000000000000000000000000000000000000000000000000000000";

// Hexadecimal digits: it stands in the path as it is. Apple says not to assume a length.
bool is_apns_token(std::string_view token) noexcept;

}  // namespace carillon::push
