// A browser's subscription in an import: what PushSubscription.toJSON() gives.
// {"endpoint":"https://…","expirationTime":null,"keys":{"p256dh":"…","auth":"…"}}
#pragma once

#include <simdjson.h>

#include <string>

#include "providers/webpush/subscription.h"

namespace carillon::import {

// Views into `value`'s document. What is wrong, as a sentence that names the field; empty: nothing.
std::string read_subscription_json(simdjson::dom::element value, push::SubscriptionTexts& texts);

}  // namespace carillon::import
