// What a message says to Apple's and to the browsers' services, which get it from FCM.
#pragma once

#include <simdjson.h>

#include "device-sim/gateway/fcm_check.h"

namespace device_sim {

// Checks the headers of `message.apns` and `message.webpush` as those services do, and that a push
// that wakes an app has nothing to show and priority 5. The message's shape is good already.
FcmRefusal check_handed_on(const simdjson::dom::object& message);

}  // namespace device_sim
