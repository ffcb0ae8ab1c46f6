#include "relay/import/registration_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "relay/import/registration_form.h"

namespace carillon::import {
namespace {

enum Field : unsigned {
  kDevice = 1,
  kApp = 2,
  kPlatform = 4,
  kToken = 8,
  kSubscriber = 16,
  kTopics = 32,
  kLocale = 64,
  kTimezone = 128,
};

constexpr std::array<std::pair<std::string_view, Field>, 8> kFields{{
    {"device", kDevice},
    {"app", kApp},
    {"platform", kPlatform},
    {"token", kToken},
    {"subscriber", kSubscriber},
    {"topics", kTopics},
    {"locale", kLocale},
    {"timezone", kTimezone},
}};

// What a bad line may quote of itself: enough to find it, too little to fill a terminal.
constexpr std::size_t kQuotedBytesMax = 40;

std::string in_quotes(std::string_view text) {
  if (text.size() <= kQuotedBytesMax) return fmt::format("\"{}\"", text);
  std::size_t end = kQuotedBytesMax;
  // Not through the middle of a UTF-8 character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return fmt::format("\"{}…\"", text.substr(0, end));
}

std::string sentence(std::string_view field, std::string_view fault) {
  return fault.empty() ? std::string() : fmt::format("{}: {}", field, fault);
}

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

RegistrationLine::RegistrationLine(LineRules rules) : rules_(std::move(rules)) {}

tl::expected<store::DeviceRegistration, std::string> RegistrationLine::parse(
    std::string_view line) {
  device_ = {};
  topics_.clear();
  seen_ = 0;
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
  std::string fault = missing_or_contradicting();
  if (!fault.empty()) return tl::unexpected(std::move(fault));
  device_.topics = topics_;
  return device_;
}

std::string RegistrationLine::read_field(std::string_view key, simdjson::dom::element value) {
  const auto known = std::ranges::find(kFields, key, &std::pair<std::string_view, Field>::first);
  if (known == kFields.end()) return fmt::format("{}: is not a known field", in_quotes(key));
  const Field field = known->second;
  if (seen_ & field) return fmt::format("{}: is given twice", key);
  seen_ |= field;
  if (field == kTopics) return read_topics(value);

  std::string_view text;
  if (value.get(text)) return fmt::format("{}: must be a string", key);
  switch (field) {
    case kDevice:
      device_.device = text;
      return sentence(key, name_fault(text));
    case kApp:
      device_.app = text;
      return {};
    case kPlatform:
      if (const auto platform = platform_named(text)) {
        device_.platform = *platform;
        return {};
      }
      return fmt::format("platform: {} is not one of \"apns\", \"fcm\"", in_quotes(text));
    case kToken:
      device_.token = text;
      return {};
    case kSubscriber:
      device_.subscriber = text;
      return sentence(key, name_fault(text));
    case kLocale:
      device_.locale = text;
      return sentence(key, locale_fault(text));
    case kTimezone:
      device_.timezone = text;
      return sentence(key, timezone_fault(text));
    case kTopics:
      break;
  }
  return {};
}

std::string RegistrationLine::read_topics(simdjson::dom::element value) {
  simdjson::dom::array array;
  if (value.get(array)) return "topics: must be an array of strings";
  for (const auto element : array) {
    std::string_view topic;
    if (element.get(topic)) {
      return fmt::format("topics[{}]: must be a string", topics_.size());
    }
    const std::string_view fault = topic_fault(topic);
    if (!fault.empty()) {
      return fmt::format("topics[{}]: {} {}", topics_.size(), in_quotes(topic), fault);
    }
    if (topics_.size() == store::kTopicsPerSubscriberMax) {
      return fmt::format("topics: must be at most {} topics", store::kTopicsPerSubscriberMax);
    }
    topics_.push_back(topic);
  }
  return {};
}

// What can only be said once all fields are read: their order in the line is free.
std::string RegistrationLine::missing_or_contradicting() {
  const unsigned required = kDevice | kPlatform | kToken | (rules_.app.empty() ? kApp : 0U);
  for (const auto& [name, field] : kFields) {
    if ((required & field) && !(seen_ & field)) return fmt::format("{}: is missing", name);
  }
  if (!(seen_ & kApp)) device_.app = rules_.app;
  if (!rules_.app.empty() && device_.app != rules_.app) {
    return fmt::format("app: is {} in an import for {}", in_quotes(device_.app),
                       in_quotes(rules_.app));
  }
  if (std::ranges::find(rules_.known_apps, device_.app) == rules_.known_apps.end()) {
    return fmt::format("app: {} is not in the config", in_quotes(device_.app));
  }
  return sentence("token", token_fault(device_.platform, device_.token));
}

}  // namespace carillon::import
