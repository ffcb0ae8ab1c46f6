// The publisher's own words for FCM (an event's `fcm`), held to what Google takes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <tl/expected.hpp>

#include "providers/provider.h"

namespace carillon::push {

// Parts of a `message`, to be merged over what Carillon renders: all members of FCM's Message but
// those that say whom it goes to. Answers them with names in snake_case, which they may have in
// camelCase as well (proto3's JSON takes both, but a merge would find them twice). The error is the
// first thing that FCM would refuse: an unknown name, a value of the wrong type or form, a reserved
// name of data. `text` empty: an empty object. Pure.
// https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
tl::expected<nlohmann::json, RenderError> read_fcm_words(std::string_view text);

// Names of data that FCM keeps for itself, and ours.
bool is_reserved_fcm_name(std::string_view name);

}  // namespace carillon::push
