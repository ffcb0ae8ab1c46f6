#include "relay/api/audience_form.h"

#include <algorithm>
#include <utility>

#include "relay/api/strict_json.h"
#include "relay/audience/condition_parser.h"
#include "relay/import/registration_form.h"

namespace carillon::api {
namespace {

// Of a body with ten thousand names, no more mistakes are looked for than are told.
bool enough(const std::vector<FieldError>& errors) {
  return errors.size() >= kFieldErrorsMax;
}

void expect_type(const nlohmann::json& value, const std::string& pointer, std::string_view what,
                 std::vector<FieldError>& errors) {
  errors.push_back(
      {pointer, "must be " + std::string(what) + ", not " + std::string(json_type_name(value))});
}

}  // namespace

bool AudienceForm::read(std::string_view name, const nlohmann::json& value,
                        std::vector<FieldError>& errors) {
  if (name == "topic") {
    read_topic(value, "/topic", errors);
  } else if (name == "topics") {
    read_topics(value, errors);
  } else if (name == "condition") {
    read_condition(value, errors);
  } else if (name == "subscribers") {
    read_names(value, "/subscribers", audience_.subscribers, errors);
  } else if (name == "devices") {
    read_names(value, "/devices", audience_.devices, errors);
  } else {
    return false;
  }
  named_ = true;
  return true;
}

void AudienceForm::read_topic(const nlohmann::json& value, const std::string& pointer,
                              std::vector<FieldError>& errors) {
  if (!value.is_string()) {
    expect_type(value, pointer, "a string", errors);
    return;
  }
  const auto& topic = value.get_ref<const std::string&>();
  if (const std::string_view fault = import::topic_fault(topic); !fault.empty()) {
    errors.push_back({pointer, std::string(fault)});
  } else if (std::ranges::find(audience_.topics, topic) == audience_.topics.end()) {
    audience_.topics.push_back(topic);
  }
}

void AudienceForm::read_topics(const nlohmann::json& value, std::vector<FieldError>& errors) {
  if (!value.is_array()) {
    expect_type(value, "/topics", "an array of strings", errors);
    return;
  }
  if (value.empty() || value.size() > store::kTopicsPerEventMax) {
    errors.push_back({"/topics", "must have 1 to " + std::to_string(store::kTopicsPerEventMax) +
                                     " topics, not " + std::to_string(value.size())});
    return;
  }
  for (std::size_t i = 0; i < value.size() && !enough(errors); ++i) {
    read_topic(value[i], "/topics/" + std::to_string(i), errors);
  }
}

void AudienceForm::read_condition(const nlohmann::json& value, std::vector<FieldError>& errors) {
  if (!value.is_string()) {
    expect_type(value, "/condition", "a string", errors);
    return;
  }
  const auto& text = value.get_ref<const std::string&>();
  auto condition = audience::parse_condition(text);
  if (condition) {
    audience_.condition = std::move(*condition);
    return;
  }
  const std::size_t character = audience::character_at(text, condition.error().offset);
  errors.push_back({.pointer = "/condition",
                    .detail = "what begins at character " + std::to_string(character) + " " +
                              condition.error().message,
                    .character = character});
}

void AudienceForm::read_names(const nlohmann::json& value, const std::string& pointer,
                              std::vector<std::string>& names, std::vector<FieldError>& errors) {
  if (!value.is_array()) {
    expect_type(value, pointer, "an array of strings", errors);
    return;
  }
  if (value.empty() || value.size() > store::kNamedAudienceMax) {
    errors.push_back({pointer, "must have 1 to " + std::to_string(store::kNamedAudienceMax) +
                                   " names, not " + std::to_string(value.size())});
    return;
  }
  for (std::size_t i = 0; i < value.size() && !enough(errors); ++i) {
    const std::string at = pointer + "/" + std::to_string(i);
    if (!value[i].is_string()) {
      expect_type(value[i], at, "a string", errors);
      continue;
    }
    const auto& name = value[i].get_ref<const std::string&>();
    if (const std::string_view fault = import::name_fault(name); !fault.empty()) {
      errors.push_back({at, std::string(fault)});
    }
    names.push_back(name);
  }
}

void AudienceForm::check_whole(std::vector<FieldError>& errors) const {
  if (!named_) {
    errors.push_back(
        {"", "needs an audience: a topic, topics, a condition, subscribers or devices"});
  }
  if (audience_.topics.size() > store::kTopicsPerEventMax) {
    errors.push_back({"/topics", "must have, with `topic`, at most " +
                                     std::to_string(store::kTopicsPerEventMax) + " topics"});
  }
  if (audience_.subscribers.size() + audience_.devices.size() > store::kNamedAudienceMax) {
    errors.push_back({"", "must name at most " + std::to_string(store::kNamedAudienceMax) +
                              " subscribers and devices together"});
  }
}

tl::expected<store::Audience, AudienceFault> parse_audience(std::string_view body) {
  auto json = parse_strict_json(body);
  if (!json) {
    return tl::unexpected(
        AudienceFault{json.error().well_formed ? Problem::kInvalidBody : Problem::kInvalidJson,
                      {std::move(json.error().error)}});
  }
  std::vector<FieldError> errors;
  if (!json->is_object()) {
    expect_type(*json, "", "an object", errors);
    return tl::unexpected(AudienceFault{Problem::kInvalidBody, std::move(errors)});
  }
  AudienceForm form;
  for (const auto& [name, value] : json->items()) {
    if (enough(errors)) break;
    if (!form.read(name, value, errors)) {
      errors.push_back({"/" + pointer_token(name), "is not a field of an audience"});
    }
  }
  if (!enough(errors)) form.check_whole(errors);
  if (errors.empty()) return form.audience();
  return tl::unexpected(AudienceFault{Problem::kInvalidBody, std::move(errors)});
}

}  // namespace carillon::api
