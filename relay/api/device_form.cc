#include "relay/api/device_form.h"

#include <utility>

#include "relay/api/strict_json.h"
#include "relay/import/registration_form.h"

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
  if (value == "webpush") {
    errors.push_back({"/platform", "\"webpush\" is not sent to by this version"});
    return;
  }
  const auto platform = value.is_string()
                            ? import::platform_named(value.get_ref<const std::string&>())
                            : std::nullopt;
  if (platform) {
    form.platform = *platform;
  } else {
    errors.push_back({"/platform", R"(must be "apns" or "fcm")"});
  }
}

void read_topics(const nlohmann::json& value, DeviceForm& form, std::vector<FieldError>& errors) {
  if (!value.is_array() || value.size() > store::kTopicsPerSubscriberMax) {
    errors.push_back({"/topics", "must be an array of at most " +
                                     std::to_string(store::kTopicsPerSubscriberMax) + " strings"});
    return;
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    read_text(value[i], "/topics/" + std::to_string(i), import::topic_fault,
              form.topics.emplace_back(), errors);
  }
}

// Depends on the platform, which may come after it.
void check_token(const nlohmann::json& root, const DeviceForm& form,
                 std::vector<FieldError>& errors) {
  if (!root.contains("platform")) errors.push_back({"/platform", "is missing"});
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

DeviceForm read(const nlohmann::json& root, std::vector<FieldError>& errors) {
  DeviceForm form;
  for (const auto& [name, value] : root.items()) {
    if (name == "platform") {
      read_platform(value, form, errors);
    } else if (name == "token") {
      if (value.is_string()) form.token = value.get<std::string>();
    } else if (name == "subscriber") {
      read_text(value, "/subscriber", import::name_fault, form.subscriber, errors);
    } else if (name == "locale") {
      read_text(value, "/locale", import::locale_fault, form.locale, errors);
    } else if (name == "timezone") {
      read_text(value, "/timezone", import::timezone_fault, form.timezone, errors);
    } else if (name == "topics") {
      read_topics(value, form, errors);
    } else {
      errors.push_back({"/" + pointer_token(name), "is not a field of a device"});
    }
    if (errors.size() >= kFieldErrorsMax) break;
  }
  check_token(root, form, errors);
  return form;
}

}  // namespace

tl::expected<DeviceForm, DeviceFault> parse_device(std::string_view body) {
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
  DeviceForm form = read(*json, errors);
  if (!errors.empty()) return tl::unexpected(DeviceFault{Problem::kInvalidBody, std::move(errors)});
  return form;
}

}  // namespace carillon::api
