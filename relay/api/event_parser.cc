#include "relay/api/event_parser.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "providers/apns/apns_push_type.h"
#include "relay/api/audience_form.h"
#include "relay/api/strict_json.h"
#include "relay/import/registration_form.h"

namespace carillon::api {
namespace {

// The push that says all that there is to say by its type: look again.
constexpr std::string_view kWidgets = "widgets";

bool has_url_chars(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c != 0x7f && c != '"' && c != '<' && c != '>' && c != '\\';
  });
}

// RFC 3986, section 3.1: letters, digits, '+', '-', '.', beginning with a letter, then a colon.
bool has_scheme(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return is_letter(text.front()) && std::all_of(text.begin(), text.begin() + colon, [&](char c) {
           return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
         });
}

// RFC 5646 by its shape, '_' as devices write it included: "de", "pt-BR", "zh_Hant_TW".
bool is_language_tag(std::string_view tag) {
  constexpr std::size_t kPartCharsMax = 8, kLanguageCharsMin = 2;
  if (tag.size() > store::kLocaleBytesMax) return false;
  for (bool language = true;; language = false) {
    const std::string_view part = tag.substr(0, tag.find_first_of("-_"));
    if (part.size() < (language ? kLanguageCharsMin : 1) || part.size() > kPartCharsMax) {
      return false;
    }
    for (const char c : part) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!letter && (language || c < '0' || c > '9')) return false;
    }
    if (part.size() == tag.size()) return true;
    tag.remove_prefix(part.size() + 1);
  }
}

// Reads one event and collects what is wrong with it.
class EventReader {
 public:
  fanout::Publication publication;
  std::vector<FieldError> errors;

  void read(const nlohmann::json& root);

 private:
  using ReadField = void (EventReader::*)(const nlohmann::json&);
  struct Field {
    std::string_view name;
    ReadField read;
  };
  static const std::array<Field, 11> kFields;

  void fail(std::string pointer, std::string detail) {
    if (errors.size() < kFieldErrorsMax) errors.push_back({std::move(pointer), std::move(detail)});
  }
  bool is(const nlohmann::json& value, nlohmann::json::value_t type, const std::string& pointer,
          std::string_view what) {
    if (value.type() == type) return true;
    fail(pointer, "must be " + std::string(what) + ", not " + std::string(json_type_name(value)));
    return false;
  }
  // False if it is not a string, or one that a check found fault with.
  bool text(const nlohmann::json& value, const std::string& pointer, std::size_t bytes_max,
            std::string& out);
  void url(const nlohmann::json& value, const std::string& pointer, bool https_only,
           std::string& out);
  void overrides(const nlohmann::json& value, const std::string& pointer, std::string& out);

  void app(const nlohmann::json& value);
  void notification(const nlohmann::json& value);
  void notification_member(const std::string& name, const nlohmann::json& value);
  void badge(const nlohmann::json& value);
  void localized(const nlohmann::json& value);
  void wording(const std::string& locale, const nlohmann::json& value,
               fanout::Localization& localization);
  void data(const nlohmann::json& value);
  void ttl(const nlohmann::json& value);
  void priority(const nlohmann::json& value);
  void collapse_key(const nlohmann::json& value);
  void apns_push_type(const nlohmann::json& value);
  void apns(const nlohmann::json& value) {
    overrides(value, "/apns", publication.notification.apns_json);
  }
  void fcm(const nlohmann::json& value) {
    overrides(value, "/fcm", publication.notification.fcm_json);
  }
  void webpush(const nlohmann::json& value) {
    overrides(value, "/webpush", publication.notification.webpush_json);
  }
  void check_whole(const nlohmann::json& root);

  AudienceForm audience_;
};

const std::array<EventReader::Field, 11> EventReader::kFields = {{
    {"app", &EventReader::app},
    {"notification", &EventReader::notification},
    {"localized", &EventReader::localized},
    {"data", &EventReader::data},
    {"ttl", &EventReader::ttl},
    {"priority", &EventReader::priority},
    {"collapse_key", &EventReader::collapse_key},
    {"apns_push_type", &EventReader::apns_push_type},
    {"apns", &EventReader::apns},
    {"fcm", &EventReader::fcm},
    {"webpush", &EventReader::webpush},
}};

bool EventReader::text(const nlohmann::json& value, const std::string& pointer,
                       std::size_t bytes_max, std::string& out) {
  if (!is(value, nlohmann::json::value_t::string, pointer, "a string")) return false;
  const auto& string = value.get_ref<const std::string&>();
  if (string.empty() || string.size() > bytes_max) {
    fail(pointer, "must have 1 to " + std::to_string(bytes_max) + " bytes, not " +
                      std::to_string(string.size()));
    return false;
  }
  if (string.find('\0') != std::string::npos) {
    fail(pointer, "must not have the character U+0000");
    return false;
  }
  out = string;
  return true;
}

void EventReader::url(const nlohmann::json& value, const std::string& pointer, bool https_only,
                      std::string& out) {
  std::string candidate;
  if (!text(value, pointer, kUrlBytesMax, candidate)) return;
  constexpr std::string_view kHttps = "https://";
  const bool https = candidate.starts_with(kHttps) && candidate.size() > kHttps.size() &&
                     candidate[kHttps.size()] != '/';
  if (!has_url_chars(candidate) || (https_only ? !https : !has_scheme(candidate))) {
    fail(pointer, https_only ? "must be an https URL" : "must be a URL with its scheme");
    return;
  }
  out = std::move(candidate);
}

void EventReader::overrides(const nlohmann::json& value, const std::string& pointer,
                            std::string& out) {
  if (is(value, nlohmann::json::value_t::object, pointer, "an object") && !value.empty())
    out = value.dump();
}

void EventReader::app(const nlohmann::json& value) {
  if (!is(value, nlohmann::json::value_t::string, "/app", "a string")) return;
  publication.app = value.get<std::string>();
  if (const std::string_view fault = import::app_fault(publication.app); !fault.empty()) {
    fail("/app", std::string(fault));
  }
}

void EventReader::notification(const nlohmann::json& value) {
  if (!is(value, nlohmann::json::value_t::object, "/notification", "an object")) return;
  for (const auto& [name, member] : value.items()) notification_member(name, member);
}

void EventReader::notification_member(const std::string& name, const nlohmann::json& value) {
  push::Notification& to = publication.notification;
  const std::string at = "/notification/" + pointer_token(name);
  const std::array<std::pair<std::string_view, std::string*>, 5> texts = {
      {{"title", &to.title},
       {"body", &to.body},
       {"sound", &to.sound},
       {"category", &to.category},
       {"thread_id", &to.thread_id}}};
  for (const auto& [known, target] : texts) {
    if (name == known) {
      text(value, at, kTextBytesMax, *target);
      return;
    }
  }
  if (name == "image") {
    url(value, at, /*https_only=*/true, to.image);
  } else if (name == "click_url") {
    url(value, at, /*https_only=*/false, to.click_url);
  } else if (name == "badge") {
    badge(value);
  } else if (name == "mutable_content") {
    if (is(value, nlohmann::json::value_t::boolean, at, "true or false")) {
      to.mutable_content = value.get<bool>();
    }
  } else {
    fail(at, "is not a field of a notification");
  }
}

void EventReader::badge(const nlohmann::json& value) {
  // What Android and iOS count in is a signed 32-bit number.
  constexpr std::uint64_t kBadgeMax = 2'147'483'647;
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kBadgeMax) {
    fail("/notification/badge", "must be an integer from 0 to " + std::to_string(kBadgeMax));
    return;
  }
  publication.notification.badge = value.get<std::uint32_t>();
}

void EventReader::localized(const nlohmann::json& value) {
  if (!is(value, nlohmann::json::value_t::object, "/localized", "an object")) return;
  if (value.size() > fanout::kLocalesPerEventMax) {
    fail("/localized", "must have at most " + std::to_string(fanout::kLocalesPerEventMax) +
                           " languages, not " + std::to_string(value.size()));
    return;
  }
  auto localization = std::make_shared<fanout::Localization>();
  for (const auto& [locale, words] : value.items()) wording(locale, words, *localization);
  if (localization->bytes() > fanout::kLocalizedBytesMax) {
    fail("/localized", "must have at most " + std::to_string(fanout::kLocalizedBytesMax) +
                           " bytes of tags and texts, not " +
                           std::to_string(localization->bytes()));
  }
  if (!localization->empty()) publication.localization = std::move(localization);
}

void EventReader::wording(const std::string& locale, const nlohmann::json& value,
                          fanout::Localization& localization) {
  const std::string at = "/localized/" + pointer_token(locale);
  if (!is_language_tag(locale)) {
    fail(at, R"(its name must be a language tag such as "de" or "pt-BR", at most )" +
                 std::to_string(store::kLocaleBytesMax) + " bytes");
    return;
  }
  if (!is(value, nlohmann::json::value_t::object, at, "an object")) return;
  fanout::Wording wording{.locale = locale};
  const std::size_t before = errors.size();
  for (const auto& [name, member] : value.items()) {
    const std::string there = at + "/" + pointer_token(name);
    if (name == "title") {
      text(member, there, kTextBytesMax, wording.title);
    } else if (name == "body") {
      text(member, there, kTextBytesMax, wording.body);
    } else if (name == "image") {
      url(member, there, /*https_only=*/true, wording.image);
    } else if (name == "click_url") {
      url(member, there, /*https_only=*/false, wording.click_url);
    } else {
      fail(there, "is not said by language: title, body, image and click_url are");
    }
  }
  if (errors.size() != before) return;
  if (value.empty()) {
    fail(at, "says nothing: it needs a title, a body, an image or a click_url");
  } else if (!localization.add(std::move(wording))) {
    fail(at, "is a language that is there already, spelled otherwise");
  }
}

void EventReader::data(const nlohmann::json& value) {
  if (!is(value, nlohmann::json::value_t::object, "/data", "an object of strings")) return;
  if (value.size() > kDataPairsMax) {
    fail("/data", "must have at most " + std::to_string(kDataPairsMax) + " pairs");
    return;
  }
  for (const auto& [name, member] : value.items()) {
    const std::string at = "/data/" + pointer_token(name);
    if (const std::string_view fault = import::name_fault(name); !fault.empty()) {
      fail(at, "its name " + std::string(fault));
    }
    if (!is(member, nlohmann::json::value_t::string, at, "a string")) continue;
    const auto& string = member.get_ref<const std::string&>();
    if (string.size() > kTextBytesMax) {
      fail(at, "must have at most " + std::to_string(kTextBytesMax) + " bytes");
    }
    publication.notification.data.emplace(name, string);
  }
}

void EventReader::ttl(const nlohmann::json& value) {
  const auto max = static_cast<std::uint64_t>(kTtlMax.count());
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max) {
    fail("/ttl", "must be an integer of seconds from 0 to " + std::to_string(max));
    return;
  }
  publication.ttl = std::chrono::seconds(value.get<std::int64_t>());
}

void EventReader::priority(const nlohmann::json& value) {
  if (value == "urgent") {
    publication.notification.priority = push::Priority::kUrgent;
  } else if (value == "normal") {
    publication.notification.priority = push::Priority::kNormal;
  } else if (value == "bulk") {
    publication.notification.priority = push::Priority::kBulk;
  } else {
    fail("/priority", R"(must be "urgent", "normal" or "bulk")");
  }
}

void EventReader::collapse_key(const nlohmann::json& value) {
  text(value, "/collapse_key", kCollapseKeyBytesMax, publication.notification.collapse_key);
}

void EventReader::apns_push_type(const nlohmann::json& value) {
  std::string names;
  for (const push::ApnsPushType& type : push::kApnsPushTypes) {
    if (value == type.name) publication.notification.apns_push_type = type.name;
    names += (names.empty() ? "" : ", ") + std::string(type.name);
  }
  if (publication.notification.apns_push_type.empty()) {
    fail("/apns_push_type", "must be one of " + names);
  }
}

void EventReader::check_whole(const nlohmann::json& root) {
  if (!root.contains("app")) fail("/app", "is missing");
  if (errors.size() < kFieldErrorsMax) audience_.check_whole(errors);
  const push::Notification& to = publication.notification;
  const bool says_something = !to.title.empty() || !to.body.empty() || !to.image.empty() ||
                              !to.sound.empty() || to.badge.has_value() || !to.data.empty() ||
                              !to.apns_json.empty() || !to.fcm_json.empty() ||
                              !to.webpush_json.empty() || to.apns_push_type == kWidgets;
  if (errors.empty() && !says_something) {
    fail("", "has nothing to send: it needs a notification, data, or a platform's own words");
  }
  if (errors.empty() && publication.localization && to.silent()) {
    fail("/notification", "needs a title or a body, for devices in none of the languages");
  }
}

void EventReader::read(const nlohmann::json& root) {
  publication.ttl = kTtlDefault;
  for (const auto& item : root.items()) {
    const std::string& name = item.key();
    const nlohmann::json& value = item.value();
    if (errors.size() < kFieldErrorsMax && audience_.read(name, value, errors)) continue;
    const auto field = std::find_if(kFields.begin(), kFields.end(),
                                    [&](const Field& known) { return known.name == name; });
    if (field == kFields.end()) {
      fail("/" + pointer_token(name), "is not a field of an event");
    } else {
      (this->*field->read)(value);
    }
  }
  check_whole(root);
  publication.audience = audience_.audience();
}

}  // namespace

tl::expected<fanout::Publication, EventFault> parse_event(std::string_view body) {
  auto json = parse_strict_json(body);
  if (!json) {
    return tl::unexpected(
        EventFault{json.error().well_formed ? Problem::kInvalidBody : Problem::kInvalidJson,
                   {std::move(json.error().error)}});
  }
  if (!json->is_object()) {
    return tl::unexpected(
        EventFault{Problem::kInvalidBody,
                   {{"", "must be an object, not " + std::string(json_type_name(*json))}}});
  }
  EventReader reader;
  reader.read(*json);
  if (!reader.errors.empty())
    return tl::unexpected(EventFault{Problem::kInvalidBody, std::move(reader.errors)});
  return std::move(reader.publication);
}

}  // namespace carillon::api
