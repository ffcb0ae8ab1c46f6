#include "relay/api/device_form.h"

#include <optional>
#include <utility>

#include "providers/webpush/subscription.h"
#include "relay/api/strict_json.h"
#include "relay/import/registration_form.h"
#include "relay/import/rfc3339.h"

namespace carillon::api {
namespace {

using Check = std::string_view (*)(std::string_view);

void read_text(const nlohmann::json& value, const std::string& pointer, Check check,
               std::string& out, std::vector<FieldError>& errors) {
  if (!value.is_string()) {
    errors.push_back({pointer, "must be a string, not " + std::string(json_type_name(value))});
    return;
  }
  out = value.get<std::string>();
  if (const std::string_view fault = check(out); !fault.empty()) {
    errors.push_back({pointer, std::string(fault)});
  }
}

void read_platform(const nlohmann::json& value, DeviceForm& form, std::vector<FieldError>& errors) {
  const auto platform = value.is_string()
                            ? import::platform_named(value.get_ref<const std::string&>())
                            : std::nullopt;
  if (platform) {
    form.platform = *platform;
  } else {
    errors.push_back({"/platform", R"(must be "apns", "fcm" or "webpush")"});
  }
}

void read_topics(const nlohmann::json& value, const std::string& pointer, std::size_t max,
                 std::vector<std::string>& topics, std::vector<FieldError>& errors) {
  if (!value.is_array() || value.size() > max) {
    errors.push_back({pointer, "must be an array of at most " + std::to_string(max) + " strings"});
    return;
  }
  for (std::size_t i = 0; i < value.size() && errors.size() < kFieldErrorsMax; ++i) {
    read_text(value[i], pointer + "/" + std::to_string(i), import::topic_fault,
              topics.emplace_back(), errors);
  }
}

void read_last_seen(const nlohmann::json& value, DeviceForm& form,
                    std::vector<FieldError>& errors) {
  const auto ms =
      value.is_string() ? import::parse_rfc3339(value.get_ref<const std::string&>()) : std::nullopt;
  if (ms) {
    form.last_seen_ms = *ms;
  } else {
    errors.push_back({"/last_seen", R"(must be a time such as "2026-01-02T03:04:05Z")"});
  }
}

void read_members(const nlohmann::json& value, const std::string& pointer,
                  store::AttributeValue& out, std::vector<FieldError>& errors) {
  if (value.size() > store::kAttributeTextsMax) {
    errors.push_back(
        {pointer, "must be at most " + std::to_string(store::kAttributeTextsMax) + " strings"});
    return;
  }
  std::vector<std::string> members(value.size());
  for (std::size_t i = 0; i < value.size() && errors.size() < kFieldErrorsMax; ++i) {
    read_text(value[i], pointer + "/" + std::to_string(i), import::attribute_text_fault, members[i],
              errors);
  }
  out = std::move(members);
}

void read_attribute(const nlohmann::json& value, const std::string& pointer,
                    store::AttributeValue& out, std::vector<FieldError>& errors) {
  if (value.is_boolean()) {
    out = value.get<bool>();
  } else if (value.is_number()) {
    out = value.get<double>();
  } else if (value.is_string()) {
    read_text(value, pointer, import::attribute_text_fault, out.emplace<std::string>(), errors);
  } else if (value.is_array()) {
    read_members(value, pointer, out, errors);
  } else {
    errors.push_back({pointer, "must be a string, a number, a boolean or an array of strings"});
  }
}

void read_attributes(const nlohmann::json& value, DeviceForm& form,
                     std::vector<FieldError>& errors) {
  if (!value.is_object() || value.size() > store::kAttributesPerDeviceMax) {
    errors.push_back({"/attributes", "must be an object of at most " +
                                         std::to_string(store::kAttributesPerDeviceMax) +
                                         " attributes"});
    return;
  }
  for (const auto& [name, member] : value.items()) {
    if (errors.size() >= kFieldErrorsMax) return;
    const std::string pointer = "/attributes/" + pointer_token(name);
    if (const std::string_view fault = import::attribute_name_fault(name); !fault.empty()) {
      errors.push_back({pointer, "its name " + std::string(fault)});
    }
    store::Attribute& attribute = form.attributes.emplace_back();
    attribute.name = name;
    read_attribute(member, pointer, attribute.value, errors);
  }
}

// The texts of a subscription; nothing if its form is wrong, which is told.
std::optional<push::SubscriptionTexts> read_subscription_texts(const nlohmann::json& value,
                                                               std::vector<FieldError>& errors) {
  push::SubscriptionTexts texts;
  const std::size_t before = errors.size();
  const auto read_object = [&](const nlohmann::json& object, const std::string& pointer,
                               const auto& read_member) {
    if (!object.is_object()) {
      errors.push_back({pointer, "must be an object, not " + std::string(json_type_name(object))});
      return;
    }
    for (const auto& [name, member] : object.items()) {
      if (errors.size() >= kFieldErrorsMax) return;
      read_member(name, member, pointer + "/" + pointer_token(name));
    }
  };
  const auto read_member_text = [&](const nlohmann::json& member, const std::string& pointer,
                                    std::string_view& out) {
    if (member.is_string()) {
      out = member.get_ref<const std::string&>();
    } else {
      errors.push_back({pointer, "must be a string, not " + std::string(json_type_name(member))});
    }
  };
  const auto read_key = [&](const std::string& name, const nlohmann::json& member,
                            const std::string& pointer) {
    if (name == "p256dh") {
      read_member_text(member, pointer, texts.p256dh);
    } else if (name == "auth") {
      read_member_text(member, pointer, texts.auth);
    } else {
      errors.push_back({pointer, "is not a key of a subscription"});
    }
  };
  read_object(
      value, "/subscription",
      [&](const std::string& name, const nlohmann::json& member, const std::string& pointer) {
        if (name == "endpoint") {
          read_member_text(member, pointer, texts.endpoint);
        } else if (name == "keys") {
          read_object(member, pointer, read_key);
        } else if (name != "expirationTime") {  // which no browser sets
          errors.push_back({pointer, "is not a field of a subscription"});
        }
      });
  return errors.size() == before ? std::optional(texts) : std::nullopt;
}

void check_subscription(const nlohmann::json& root, const push::OriginList& origins,
                        DeviceForm& form, std::vector<FieldError>& errors) {
  if (root.contains("token")) {
    errors.push_back({"/token", "is not for this platform, which has a subscription"});
  }
  if (!root.contains("subscription")) {
    if (!root.contains("token")) errors.push_back({"/subscription", "is missing"});
    return;
  }
  const auto texts = read_subscription_texts(root["subscription"], errors);
  if (!texts) return;
  auto token = push::write_subscription(*texts, origins);
  if (token) {
    form.token = std::move(*token);
  } else {
    errors.push_back({"/subscription" + token.error().pointer, std::move(token.error().message)});
  }
}

// Depends on the platform, which may come after it.
void check_token(const nlohmann::json& root, const DeviceForm& form,
                 std::vector<FieldError>& errors) {
  if (root.contains("subscription")) {
    errors.push_back({"/subscription", "is not for this platform, which has a token"});
  }
  if (!root.contains("token")) {
    errors.push_back({"/token", "is missing"});
    return;
  }
  if (!root["token"].is_string()) {
    errors.push_back(
        {"/token", "must be a string, not " + std::string(json_type_name(root["token"]))});
    return;
  }
  const std::string_view fault = import::token_fault(form.platform, form.token);
  if (errors.empty() && !fault.empty()) errors.push_back({"/token", std::string(fault)});
}

DeviceForm read(const nlohmann::json& root, const push::OriginList& origins,
                std::vector<FieldError>& errors) {
  DeviceForm form;
  for (const auto& [name, value] : root.items()) {
    if (name == "platform") {
      read_platform(value, form, errors);
    } else if (name == "token") {
      if (value.is_string()) form.token = value.get<std::string>();
    } else if (name == "subscription") {
      continue;  // depends on the platform
    } else if (name == "subscriber") {
      read_text(value, "/subscriber", import::name_fault, form.subscriber, errors);
    } else if (name == "locale") {
      read_text(value, "/locale", import::locale_fault, form.locale, errors);
    } else if (name == "timezone") {
      read_text(value, "/timezone", import::timezone_fault, form.timezone, errors);
    } else if (name == "topics") {
      read_topics(value, "/topics", store::kTopicsPerSubscriberMax, form.topics, errors);
    } else if (name == "device_topics") {
      read_topics(value, "/device_topics", store::kTopicsPerDeviceMax, form.device_topics, errors);
    } else if (name == "app_version") {
      read_text(value, "/app_version", import::app_version_fault, form.app_version, errors);
    } else if (name == "last_seen") {
      read_last_seen(value, form, errors);
    } else if (name == "attributes") {
      read_attributes(value, form, errors);
    } else {
      errors.push_back({"/" + pointer_token(name), "is not a field of a device"});
    }
    if (errors.size() >= kFieldErrorsMax) break;
  }
  if (!root.contains("platform")) errors.push_back({"/platform", "is missing"});
  if (form.platform == store::Platform::kWebPush) {
    check_subscription(root, origins, form, errors);
  } else {
    check_token(root, form, errors);
  }
  return form;
}

}  // namespace

tl::expected<DeviceForm, DeviceFault> parse_device(std::string_view body,
                                                   const push::OriginList& origins) {
  auto json = parse_strict_json(body);
  if (!json) {
    return tl::unexpected(
        DeviceFault{json.error().well_formed ? Problem::kInvalidBody : Problem::kInvalidJson,
                    {std::move(json.error().error)}});
  }
  if (!json->is_object()) {
    return tl::unexpected(
        DeviceFault{Problem::kInvalidBody,
                    {{"", "must be an object, not " + std::string(json_type_name(*json))}}});
  }
  std::vector<FieldError> errors;
  DeviceForm form = read(*json, origins, errors);
  if (!errors.empty()) return tl::unexpected(DeviceFault{Problem::kInvalidBody, std::move(errors)});
  return form;
}

}  // namespace carillon::api
