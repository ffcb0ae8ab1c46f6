#include "relay/fanout/notification_codec.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace carillon::fanout {
namespace {

constexpr int kFormat = 1;

// Each text field of a notification with its stored name. Names are never reused for another
// meaning: events outlive the program that stored them.
constexpr std::pair<const char*, std::string push::Notification::*> kTexts[] = {
    {"title", &push::Notification::title},
    {"body", &push::Notification::body},
    {"image", &push::Notification::image},
    {"sound", &push::Notification::sound},
    {"category", &push::Notification::category},
    {"thread_id", &push::Notification::thread_id},
    {"click_url", &push::Notification::click_url},
    {"collapse_key", &push::Notification::collapse_key},
    {"apns_push_type", &push::Notification::apns_push_type},
    {"apns", &push::Notification::apns_json},
    {"fcm", &push::Notification::fcm_json},
    {"webpush", &push::Notification::webpush_json},
};

// The same for what one language says.
constexpr std::pair<const char*, std::string Wording::*> kWordingTexts[] = {
    {"locale", &Wording::locale}, {"title", &Wording::title},         {"body", &Wording::body},
    {"image", &Wording::image},   {"click_url", &Wording::click_url},
};

nlohmann::json encode_wordings(const Localization& localization) {
  auto list = nlohmann::json::array();
  for (const Wording& wording : localization.wordings()) {
    nlohmann::json one = nlohmann::json::object();
    for (const auto& [name, field] : kWordingTexts) {
      if (!(wording.*field).empty()) one[name] = wording.*field;
    }
    list.push_back(std::move(one));
  }
  return list;
}

std::shared_ptr<const Localization> decode_wordings(const nlohmann::json& list) {
  auto localization = std::make_shared<Localization>();
  for (const auto& one : list) {
    if (!one.is_object()) continue;
    Wording wording;
    for (const auto& [name, field] : kWordingTexts) {
      if (const auto found = one.find(name); found != one.end() && found->is_string()) {
        wording.*field = found->get<std::string>();
      }
    }
    localization->add(std::move(wording));
  }
  return localization->empty() ? nullptr : localization;
}

}  // namespace

std::string encode_content(const push::Notification& notification, bool now_or_never,
                           const Localization* localization) {
  nlohmann::json content{{"format", kFormat}};
  for (const auto& [name, field] : kTexts) {
    if (!(notification.*field).empty()) content[name] = notification.*field;
  }
  if (notification.badge) content["badge"] = *notification.badge;
  if (!notification.data.empty()) content["data"] = notification.data;
  if (notification.mutable_content) content["mutable_content"] = true;
  if (now_or_never) content["now_or_never"] = true;
  if (localization != nullptr) content["localized"] = encode_wordings(*localization);
  return content.dump();
}

tl::expected<Content, std::string> decode_content(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.find("format") == json.end() || json["format"] != kFormat) {
    return tl::make_unexpected(
        std::string("the event's stored content is not of a format that this version reads"));
  }
  Content content;
  for (const auto& [name, field] : kTexts) {
    if (const auto found = json.find(name); found != json.end() && found->is_string()) {
      content.notification.*field = found->get<std::string>();
    }
  }
  if (const auto badge = json.find("badge"); badge != json.end() && badge->is_number_unsigned()) {
    content.notification.badge = badge->get<std::uint32_t>();
  }
  if (const auto data = json.find("data"); data != json.end() && data->is_object()) {
    for (const auto& [name, value] : data->items()) {
      if (value.is_string()) content.notification.data[name] = value.get<std::string>();
    }
  }
  if (const auto may = json.find("mutable_content"); may != json.end()) {
    content.notification.mutable_content = *may == true;
  }
  if (const auto once = json.find("now_or_never"); once != json.end()) {
    content.now_or_never = *once == true;
  }
  if (const auto localized = json.find("localized");
      localized != json.end() && localized->is_array()) {
    content.localization = decode_wordings(*localized);
  }
  return content;
}

}  // namespace carillon::fanout
