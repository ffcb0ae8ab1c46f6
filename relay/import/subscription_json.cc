#include "relay/import/subscription_json.h"

#include <fmt/format.h>

#include "relay/import/registration_fields.h"

namespace carillon::import {
namespace {

std::string read_subscription_text(simdjson::dom::element value, std::string_view name,
                                   std::string_view& text) {
  return value.get(text) ? fmt::format("subscription.{}: must be a string", name) : std::string();
}

std::string read_subscription_keys(simdjson::dom::element value, push::SubscriptionTexts& texts) {
  simdjson::dom::object keys;
  if (value.get(keys)) return "subscription.keys: must be an object";
  for (const auto key : keys) {
    std::string fault;
    if (key.key == "p256dh") {
      fault = read_subscription_text(key.value, "keys.p256dh", texts.p256dh);
    } else if (key.key == "auth") {
      fault = read_subscription_text(key.value, "keys.auth", texts.auth);
    } else {
      fault = fmt::format("subscription.keys.{}: is not a known field", in_quotes(key.key));
    }
    if (!fault.empty()) return fault;
  }
  return {};
}

}  // namespace

std::string read_subscription_json(simdjson::dom::element value, push::SubscriptionTexts& texts) {
  simdjson::dom::object object;
  if (value.get(object)) return "subscription: must be an object";
  for (const auto field : object) {
    std::string fault;
    if (field.key == "endpoint") {
      fault = read_subscription_text(field.value, "endpoint", texts.endpoint);
    } else if (field.key == "keys") {
      fault = read_subscription_keys(field.value, texts);
    } else if (field.key != "expirationTime") {  // which no browser sets
      fault = fmt::format("subscription.{}: is not a known field", in_quotes(field.key));
    }
    if (!fault.empty()) return fault;
  }
  return {};
}

}  // namespace carillon::import
