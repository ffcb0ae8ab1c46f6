#include "relay/import/registration_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "relay/import/registration_form.h"
#include "relay/import/rfc3339.h"

namespace carillon::import {
namespace {

constexpr std::array<std::string_view, 13> kFieldNames{
    "device",        "app",    "platform", "token",       "subscription", "subscriber", "topics",
    "device_topics", "locale", "timezone", "app_version", "last_seen",    "attributes"};
static_assert(kFieldNames.size() == static_cast<std::size_t>(RegistrationField::kAttributes) + 1);

constexpr unsigned bit_of(RegistrationField field) {
  return 1U << static_cast<unsigned>(field);
}

constexpr std::size_t kQuotedBytesMax = 40;

std::string sentence(std::string_view field, std::string_view fault) {
  return fault.empty() ? std::string() : fmt::format("{}: {}", field, fault);
}

}  // namespace

std::string_view field_name(RegistrationField field) {
  return kFieldNames[static_cast<std::size_t>(field)];
}

std::optional<RegistrationField> field_named(std::string_view name) {
  const auto known = std::ranges::find(kFieldNames, name);
  if (known == kFieldNames.end()) return std::nullopt;
  return static_cast<RegistrationField>(known - kFieldNames.begin());
}

std::string in_quotes(std::string_view text) {
  if (text.size() <= kQuotedBytesMax) return fmt::format("\"{}\"", text);
  std::size_t end = kQuotedBytesMax;
  // Not through the middle of a UTF-8 character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return fmt::format("\"{}…\"", text.substr(0, end));
}

void RegistrationFields::begin() {
  device_ = {};
  topics_.clear();
  device_topics_.clear();
  attributes_.clear();
  members_.clear();
  lists_.clear();
  seen_ = 0;
}

std::string RegistrationFields::announce(RegistrationField field) {
  if (seen_ & bit_of(field)) return fmt::format("{}: is given twice", field_name(field));
  seen_ |= bit_of(field);
  return {};
}

std::string RegistrationFields::take_text(RegistrationField field, std::string_view text) {
  using enum RegistrationField;
  const std::string_view name = field_name(field);
  switch (field) {
    case kDevice:
      device_.device = text;
      return sentence(name, name_fault(text));
    case kApp:
      device_.app = text;
      return {};
    case kPlatform:
      if (const auto platform = platform_named(text)) {
        device_.platform = *platform;
        return {};
      }
      return fmt::format("platform: {} is not one of \"apns\", \"fcm\", \"webpush\"",
                         in_quotes(text));
    case kToken:
      device_.token = text;
      return {};
    case kSubscriber:
      device_.subscriber = text;
      return sentence(name, name_fault(text));
    case kLocale:
      device_.locale = text;
      return sentence(name, locale_fault(text));
    case kTimezone:
      device_.timezone = text;
      return sentence(name, timezone_fault(text));
    case kAppVersion:
      device_.app_version = text;
      return sentence(name, app_version_fault(text));
    case kLastSeen:
      if (const auto ms = parse_rfc3339(text)) {
        device_.last_seen_ms = *ms;
        return now_ms_ ? sentence(name, last_seen_fault(*ms, *now_ms_)) : std::string();
      }
      return "last_seen: must be a time such as \"2026-01-02T03:04:05Z\"";
    case kSubscription:
    case kTopics:
    case kDeviceTopics:
    case kAttributes:
      break;
  }
  return fmt::format("{}: must not be a string", name);
}

void RegistrationFields::take_subscription(const push::SubscriptionTexts& texts) {
  endpoint_ = texts.endpoint;
  p256dh_ = texts.p256dh;
  auth_ = texts.auth;
}

std::string RegistrationFields::take_topic(RegistrationField list, std::string_view topic) {
  const bool own = list == RegistrationField::kDeviceTopics;
  auto& topics = own ? device_topics_ : topics_;
  const std::size_t max = own ? store::kTopicsPerDeviceMax : store::kTopicsPerSubscriberMax;
  if (const std::string_view fault = topic_fault(topic); !fault.empty()) {
    return fmt::format("{}[{}]: {} {}", field_name(list), topics.size(), in_quotes(topic), fault);
  }
  if (topics.size() == max) {
    return fmt::format("{}: must be at most {} topics", field_name(list), max);
  }
  topics.push_back(topic);
  return {};
}

std::string RegistrationFields::take_attribute_name(std::string_view name) {
  if (const std::string_view fault = attribute_name_fault(name); !fault.empty()) {
    return fmt::format("attributes: the name {} {}", in_quotes(name), fault);
  }
  if (std::ranges::find(attributes_, name, &store::AttributeView::name) != attributes_.end()) {
    return fmt::format("attributes.{}: is given twice", name);
  }
  if (attributes_.size() == store::kAttributesPerDeviceMax) {
    return fmt::format("attributes: must be at most {}", store::kAttributesPerDeviceMax);
  }
  attributes_.push_back({.name = name});
  return {};
}

std::string RegistrationFields::take_attribute(std::string_view name,
                                               std::variant<bool, double, std::string_view> value) {
  if (std::string fault = take_attribute_name(name); !fault.empty()) return fault;
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    attributes_.back().value = *text;
    const std::string_view fault = attribute_text_fault(*text);
    return fault.empty() ? std::string() : fmt::format("attributes.{}: {}", name, fault);
  }
  if (const auto* number = std::get_if<double>(&value)) {
    attributes_.back().value = *number;
  } else {
    attributes_.back().value = std::get<bool>(value);
  }
  return {};
}

std::string RegistrationFields::take_attribute_list(std::string_view name) {
  if (std::string fault = take_attribute_name(name); !fault.empty()) return fault;
  lists_.push_back(
      {.attribute = attributes_.size() - 1, .begin = members_.size(), .end = members_.size()});
  return {};
}

std::string RegistrationFields::take_attribute_member(std::string_view member) {
  List& list = lists_.back();
  const std::string_view name = attributes_[list.attribute].name;
  if (const std::string_view fault = attribute_text_fault(member); !fault.empty()) {
    return fmt::format("attributes.{}[{}]: {}", name, list.end - list.begin, fault);
  }
  if (list.end - list.begin == store::kAttributeTextsMax) {
    return fmt::format("attributes.{}: must be at most {} texts", name, store::kAttributeTextsMax);
  }
  members_.push_back(member);
  ++list.end;
  return {};
}

std::string RegistrationFields::missing_or_contradicting() {
  using enum RegistrationField;
  for (const RegistrationField field : {kDevice, kApp, kPlatform}) {
    const bool given = (seen_ & bit_of(field)) != 0 || (field == kApp && !rules_.app.empty());
    if (!given) return fmt::format("{}: is missing", field_name(field));
  }
  if (!(seen_ & bit_of(kApp))) device_.app = rules_.app;
  if (!rules_.app.empty() && device_.app != rules_.app) {
    return fmt::format("app: is {} in an import for {}", in_quotes(device_.app),
                       in_quotes(rules_.app));
  }
  if (std::ranges::find(rules_.known_apps, device_.app) == rules_.known_apps.end()) {
    return fmt::format("app: {} is not in the config", in_quotes(device_.app));
  }
  return check_address();
}

// A token, or of a browser its subscription: one of the two.
std::string RegistrationFields::check_address() {
  using enum RegistrationField;
  const bool is_browser = device_.platform == store::Platform::kWebPush;
  const RegistrationField wanted = is_browser ? kSubscription : kToken;
  const RegistrationField other = is_browser ? kToken : kSubscription;
  if ((seen_ & bit_of(other)) != 0) {
    return fmt::format("{}: is not for this platform, which has a {}", field_name(other),
                       field_name(wanted));
  }
  if ((seen_ & bit_of(wanted)) == 0) return fmt::format("{}: is missing", field_name(wanted));
  if (!is_browser) return sentence("token", token_fault(device_.platform, device_.token));
  auto token = push::write_subscription({.endpoint = endpoint_, .p256dh = p256dh_, .auth = auth_},
                                        push_origins_of(rules_.push_origins, device_.app));
  if (!token) {
    std::string field = "subscription" + token.error().pointer;
    std::ranges::replace(field, '/', '.');
    return sentence(field, token.error().message);
  }
  subscription_ = std::move(*token);
  device_.token = subscription_;
  return {};
}

tl::expected<store::DeviceRegistration, std::string> RegistrationFields::finish() {
  std::string fault = missing_or_contradicting();
  if (!fault.empty()) return tl::unexpected(std::move(fault));
  for (const List& list : lists_) {
    attributes_[list.attribute].value =
        std::span<const std::string_view>(members_).subspan(list.begin, list.end - list.begin);
  }
  device_.topics = topics_;
  device_.device_topics = device_topics_;
  device_.attributes = attributes_;
  return device_;
}

}  // namespace carillon::import
