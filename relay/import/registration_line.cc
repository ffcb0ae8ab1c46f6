#include "relay/import/registration_line.h"

#include <fmt/format.h>

#include <utility>

#include "relay/import/subscription_json.h"

namespace carillon::import {
namespace {

std::string syntax_fault(simdjson::error_code error) {
  switch (error) {
    case simdjson::UTF8_ERROR:
      return "line: is not valid UTF-8";
    case simdjson::DEPTH_ERROR:
      return "line: is nested too deeply";
    default:
      return fmt::format("line: is not valid JSON ({})", simdjson::error_message(error));
  }
}

}  // namespace

tl::expected<store::DeviceRegistration, std::string> RegistrationLine::parse(
    std::string_view line) {
  fields_.begin();
  simdjson::dom::element document;
  // `false`: the padding is the caller's, nothing is copied.
  if (const auto error = parser_.parse(line.data(), line.size(), false).get(document)) {
    return tl::unexpected(syntax_fault(error));
  }
  simdjson::dom::object object;
  if (document.get(object)) return tl::unexpected(std::string("line: must be a JSON object"));
  for (const auto field : object) {
    std::string fault = read_field(field.key, field.value);
    if (!fault.empty()) return tl::unexpected(std::move(fault));
  }
  return fields_.finish();
}

std::string RegistrationLine::read_field(std::string_view key, simdjson::dom::element value) {
  const auto field = field_named(key);
  if (!field) return fmt::format("{}: is not a known field", in_quotes(key));
  if (std::string fault = fields_.announce(*field); !fault.empty()) return fault;
  if (*field == RegistrationField::kTopics || *field == RegistrationField::kDeviceTopics) {
    return read_topics(*field, value);
  }
  if (*field == RegistrationField::kAttributes) return read_attributes(value);
  if (*field == RegistrationField::kSubscription) {
    push::SubscriptionTexts texts;
    std::string fault = read_subscription_json(value, texts);
    if (fault.empty()) fields_.take_subscription(texts);
    return fault;
  }
  std::string_view text;
  if (value.get(text)) return fmt::format("{}: must be a string", key);
  return fields_.take_text(*field, text);
}

std::string RegistrationLine::read_topics(RegistrationField field, simdjson::dom::element value) {
  simdjson::dom::array array;
  if (value.get(array)) return fmt::format("{}: must be an array of strings", field_name(field));
  std::size_t index = 0;
  for (const auto element : array) {
    std::string_view topic;
    if (element.get(topic)) {
      return fmt::format("{}[{}]: must be a string", field_name(field), index);
    }
    if (std::string fault = fields_.take_topic(field, topic); !fault.empty()) return fault;
    ++index;
  }
  return {};
}

std::string RegistrationLine::read_attributes(simdjson::dom::element value) {
  simdjson::dom::object object;
  if (value.get(object)) return "attributes: must be an object";
  for (const auto attribute : object) {
    std::string fault = read_attribute(attribute.key, attribute.value);
    if (!fault.empty()) return fault;
  }
  return {};
}

std::string RegistrationLine::read_attribute(std::string_view name, simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::STRING:
      return fields_.take_attribute(name, value.get_string().value_unsafe());
    case simdjson::dom::element_type::BOOL:
      return fields_.take_attribute(name, value.get_bool().value_unsafe());
    case simdjson::dom::element_type::INT64:
    case simdjson::dom::element_type::UINT64:
    case simdjson::dom::element_type::DOUBLE:
      return fields_.take_attribute(name, value.get_double().value_unsafe());
    case simdjson::dom::element_type::ARRAY: {
      simdjson::dom::array array;
      if (value.get(array)) return fmt::format("attributes.{}: must be an array", name);
      std::string fault = fields_.take_attribute_list(name);
      for (const auto element : array) {
        if (!fault.empty()) break;
        std::string_view member;
        if (element.get(member)) {
          return fmt::format("attributes.{}: must be an array of strings", name);
        }
        fault = fields_.take_attribute_member(member);
      }
      return fault;
    }
    default:
      return fmt::format(
          "attributes.{}: must be a string, a number, a boolean or an array of strings",
          in_quotes(name));
  }
}

}  // namespace carillon::import
