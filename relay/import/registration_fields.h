// The fields of one registration, whatever they were written in: collected, checked, and held
// against each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "providers/webpush/subscription.h"
#include "relay/import/push_origins.h"
#include "storage/store.h"

namespace carillon::import {

struct LineRules {
  std::string app;  // if set: may be left out, and no other is taken
  std::vector<std::string> known_apps;
  PushOrigins push_origins;
};

enum class RegistrationField : std::uint8_t {
  kDevice,
  kApp,
  kPlatform,
  kToken,
  kSubscription,
  kSubscriber,
  kTopics,
  kDeviceTopics,
  kLocale,
  kTimezone,
  kAppVersion,
  kLastSeen,
  kAttributes,
};

std::string_view field_name(RegistrationField field);
std::optional<RegistrationField> field_named(std::string_view name);

// What a bad line may quote of itself: enough to find it, too little to fill a terminal.
std::string in_quotes(std::string_view text);

// Used for line after line. Views that are given to it must hold until `finish` has been used. Each
// function's answer is what is wrong, as a sentence that names the field; empty: nothing.
class RegistrationFields {
 public:
  explicit RegistrationFields(LineRules rules) : rules_(std::move(rules)) {}

  void begin();
  // Every field is announced once before it is filled.
  std::string announce(RegistrationField field);
  // Any field but the subscription, the lists of topics and the attributes.
  std::string take_text(RegistrationField field, std::string_view text);
  // Views that need not hold after the call.
  void take_subscription(const push::SubscriptionTexts& texts);
  std::string take_topic(RegistrationField list, std::string_view topic);
  std::string take_attribute(std::string_view name,
                             std::variant<bool, double, std::string_view> value);
  // A list of texts, then its members.
  std::string take_attribute_list(std::string_view name);
  std::string take_attribute_member(std::string_view member);
  // What can only be said once all fields are there: their order is free. The views in the answer
  // hold until `begin`.
  tl::expected<store::DeviceRegistration, std::string> finish();

  // The calendar, for `last_seen`: until it is first set, any time will do.
  void set_now(std::int64_t now_ms) { now_ms_ = now_ms; }

  const LineRules& rules() const { return rules_; }

 private:
  std::string take_attribute_name(std::string_view name);
  std::string missing_or_contradicting();
  std::string check_address();

  LineRules rules_;
  store::DeviceRegistration device_;
  std::string endpoint_, p256dh_, auth_;  // of the subscription, as it was said
  std::string subscription_;              // as a token
  std::vector<std::string_view> topics_, device_topics_;
  std::vector<store::AttributeView> attributes_;
  std::vector<std::string_view> members_;  // of all lists, one after the other
  struct List {
    std::size_t attribute = 0, begin = 0, end = 0;
  };
  std::vector<List> lists_;
  std::optional<std::int64_t> now_ms_;
  unsigned seen_ = 0;  // one bit for each field
};

}  // namespace carillon::import
