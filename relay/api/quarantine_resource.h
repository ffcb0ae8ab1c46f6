// /v1/apps/{app}/quarantine: devices that a provider called dead when that was suspicious, and what
// is to become of them.
#pragma once

#include <string_view>

#include "relay/api/desk.h"
#include "storage/quarantine.h"

namespace carillon::api {

inline constexpr std::size_t kQuarantinePageDefault = 100, kQuarantinePageMax = 1'000;  // devices

// Any thread. The app of the path is known and in form.
Reply list_quarantine(store::Store& store, const Admission& admission);
// Of the devices that the body names, of a platform, or of all: `{"devices": […], "platform": …}`.
// What was decided before an error stays decided; the same call goes on.
Reply decide_quarantine(store::Store& store, store::QuarantineAction action,
                        const Admission& admission, std::string_view body);

}  // namespace carillon::api
