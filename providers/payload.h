// What the platforms' renderers share: the publisher's own JSON, pointers, ceilings.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/provider.h"

namespace carillon::push {

// A name as one part of a pointer: '~' and '/' escaped (RFC 6901, section 3).
std::string pointer_part(std::string_view name);

// "/data/" and the escaped name.
std::string data_pointer(std::string_view name);

// The publisher's words for one platform. `text` empty: an empty object. `pointer` is where they
// stand in the event ("/apns").
tl::expected<nlohmann::json, RenderError> parse_own_words(std::string_view text,
                                                          std::string_view pointer);

// The error of a payload of `bytes` that a platform takes only up to `bytes_max`; points to the
// part of the event that weighs most.
RenderError too_large(const Notification& notification, std::string_view own_words,
                      std::string_view own_words_pointer, std::string_view platform,
                      std::size_t bytes, std::size_t bytes_max);

// Compact; bytes that are no UTF-8 become U+FFFD.
std::string dump(const nlohmann::json& json);

}  // namespace carillon::push
