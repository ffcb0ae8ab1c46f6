#include "relay/import/registration_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "relay/import/json_number.h"
#include "relay/import/subscription_json.h"

namespace carillon::import {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // which spreadsheets write

}  // namespace

std::string RegistrationCsv::read_header(std::string_view line) {
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (!simdjson::validate_utf8(line.data(), line.size())) return "header: is not valid UTF-8";
  const auto names = csv_.split(line);
  if (!names) return names.error();
  columns_.clear();
  fields_.begin();
  for (const std::string_view name : **names) {
    if (name.starts_with(kAttributeColumnPrefix)) {
      const std::string_view attribute = name.substr(kAttributeColumnPrefix.size());
      const bool twice =
          !attribute.empty() && std::ranges::any_of(columns_, [&](const Column& column) {
            return column.attribute == attribute;
          });
      if (attribute.empty() || twice) {
        return fmt::format("header: the column {} {}", in_quotes(name),
                           twice ? "is there twice" : "names no attribute");
      }
      columns_.push_back({RegistrationField::kAttributes, std::string(attribute)});
      continue;
    }
    const auto field = field_named(name);
    if (!field || *field == RegistrationField::kAttributes) {
      return fmt::format("header: {} is not a known column", in_quotes(name));
    }
    if (!fields_.announce(*field).empty()) {
      return fmt::format("header: the column {} is there twice", in_quotes(name));
    }
    columns_.push_back({*field, {}});
  }
  using enum RegistrationField;
  const auto has = [this](RegistrationField field) {
    return std::ranges::find(columns_, field, &Column::field) != columns_.end();
  };
  for (const RegistrationField field : {kDevice, kApp, kPlatform}) {
    if (!has(field) && (field != kApp || fields_.rules().app.empty())) {
      return fmt::format("header: the column \"{}\" is missing", field_name(field));
    }
  }
  if (!has(kToken) && !has(kSubscription)) return "header: the column \"token\" is missing";
  return {};
}

tl::expected<store::DeviceRegistration, std::string> RegistrationCsv::parse(std::string_view line) {
  fields_.begin();
  if (!simdjson::validate_utf8(line.data(), line.size())) {
    return tl::unexpected(std::string("line: is not valid UTF-8"));
  }
  const auto values = csv_.split(line);
  if (!values) return tl::unexpected(values.error());
  if ((*values)->size() != columns_.size()) {
    return tl::unexpected(fmt::format("line: has {} fields where the header has {}",
                                      (*values)->size(), columns_.size()));
  }
  // Views into it hold: what JSON strings stand for is never longer than they are.
  texts_.clear();
  texts_.reserve(line.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if ((**values)[i].empty()) continue;
    std::string fault = take(columns_[i], (**values)[i]);
    if (!fault.empty()) return tl::unexpected(std::move(fault));
  }
  return fields_.finish();
}

std::string RegistrationCsv::take(const Column& column, std::string_view text) {
  if (column.field == RegistrationField::kAttributes) return take_attribute(column.attribute, text);
  // Twice in the header was refused there.
  if (std::string fault = fields_.announce(column.field); !fault.empty()) return fault;
  if (column.field == RegistrationField::kTopics ||
      column.field == RegistrationField::kDeviceTopics) {
    return take_topics(column.field, text);
  }
  if (column.field == RegistrationField::kSubscription) return take_subscription(text);
  return fields_.take_text(column.field, text);
}

std::string RegistrationCsv::take_subscription(std::string_view text) {
  simdjson::dom::element value;
  if (parser_.parse(text.data(), text.size()).get(value)) return "subscription: must be JSON";
  push::SubscriptionTexts texts;
  std::string fault = read_subscription_json(value, texts);
  if (fault.empty()) fields_.take_subscription(texts);
  return fault;
}

std::string RegistrationCsv::take_topics(RegistrationField field, std::string_view text) {
  constexpr std::string_view kSeparators = " ;";
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kSeparators), text.size()));
    if (text.empty()) return {};
    const std::size_t end = std::min(text.find_first_of(kSeparators), text.size());
    if (std::string fault = fields_.take_topic(field, text.substr(0, end)); !fault.empty()) {
      return fault;
    }
    text.remove_prefix(end);
  }
}

std::string RegistrationCsv::take_attribute(const std::string& name, std::string_view text) {
  const auto keep = [this](std::string_view kept) {
    const std::size_t begin = texts_.size();
    texts_ += kept;
    return std::string_view(texts_).substr(begin);
  };
  const auto as_it_stands = [&] { return fields_.take_attribute(name, text); };
  if (const auto number = parse_json_number(text)) return fields_.take_attribute(name, *number);
  if (text == "true" || text == "false") return fields_.take_attribute(name, text == "true");
  const bool may_be_json = (text.starts_with('"') && text.ends_with('"')) ||
                           (text.starts_with('[') && text.ends_with(']'));
  simdjson::dom::element value;
  if (!may_be_json || parser_.parse(text.data(), text.size()).get(value)) return as_it_stands();
  if (value.is_string()) {
    return fields_.take_attribute(name, keep(value.get_string().value_unsafe()));
  }
  simdjson::dom::array array;
  if (value.get(array)) return as_it_stands();
  for (const auto element : array) {
    if (!element.is_string()) return as_it_stands();
  }
  std::string fault = fields_.take_attribute_list(name);
  for (const auto element : array) {
    if (!fault.empty()) break;
    fault = fields_.take_attribute_member(keep(element.get_string().value_unsafe()));
  }
  return fault;
}

}  // namespace carillon::import
