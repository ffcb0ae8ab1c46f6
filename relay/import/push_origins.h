// Which push services an app's browsers may be registered with: those that the relay would send to.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "providers/webpush/origin_list.h"

namespace carillon::import {

using PushOrigins = std::map<std::string, push::OriginList, std::less<>>;  // by app

// An app that has none configured may register browsers all the same, with the services that there
// are: OriginList::known_services().
const push::OriginList& push_origins_of(const PushOrigins& origins, std::string_view app);

}  // namespace carillon::import
