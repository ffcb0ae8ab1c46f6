#include "relay/export/device_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "providers/webpush/subscription.h"
#include "relay/import/csv_line.h"
#include "relay/import/json_number.h"
#include "relay/import/registration_csv.h"
#include "relay/import/rfc3339.h"

namespace carillon::exporting {
namespace {

using store::AttributeView;
using store::DeviceRegistration;
using Texts = std::span<const std::string_view>;

std::string_view name_of(store::Platform platform) {
  constexpr std::array<std::string_view, store::kPlatforms> kNames{"apns", "fcm", "webpush"};
  return kNames[static_cast<std::size_t>(platform) - 1];
}

// When devices were last seen is known by days, of which there are few: their texts are kept.
class DayTexts {
 public:
  std::string_view get(std::int64_t ms) {
    auto& [kept_ms, text] = kept_[static_cast<std::size_t>(ms / store::kLastSeenStepMs) % kKept];
    if (kept_ms != ms) {
      kept_ms = ms;
      text = import::rfc3339(ms);
    }
    return text;
  }

 private:
  static constexpr std::size_t kKept = 512;
  std::array<std::pair<std::int64_t, std::string>, kKept> kept_{};
};

void append_json_list(Texts texts, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i != 0) out += ',';
    append_json_text(texts[i], out);
  }
  out += ']';
}

void append_json_value(const AttributeView& attribute, std::string& out) {
  if (const auto* flag = std::get_if<bool>(&attribute.value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<double>(&attribute.value)) {
    append_json_number(*number, out);
  } else if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
    append_json_text(*text, out);
  } else {
    append_json_list(std::get<Texts>(attribute.value), out);
  }
}

// Of a browser; a token that is no subscription stands as it is.
std::optional<push::SubscriptionTexts> subscription_of(const DeviceRegistration& device) {
  if (device.platform != store::Platform::kWebPush) return std::nullopt;
  return push::split_subscription(device.token);
}

void append_subscription(const push::SubscriptionTexts& texts, std::string& out) {
  out += "{\"endpoint\":";
  append_json_text(texts.endpoint, out);
  out += ",\"keys\":{\"p256dh\":";
  append_json_text(texts.p256dh, out);
  out += ",\"auth\":";
  append_json_text(texts.auth, out);
  out += "}}";
}

// A line is what is fixed, then topics, then its end: so a device with many topics is written again
// and again, each time with the next of them.
class SplitLines : public DeviceLines {
 public:
  std::size_t append(const DeviceRegistration& device, std::string& out) final {
    fixed_.clear();
    append_fixed(device, fixed_);
    std::size_t lines = 0, next = 0;
    do {
      topics_.clear();
      const std::size_t first = next;
      while (next < device.topics.size()) {
        const std::size_t before = topics_.size();
        append_topic(device.topics[next], next == first, topics_);
        const bool too_long = fixed_.size() + topics_.size() + kEndBytesMax > import::kLineBytesMax;
        if (too_long && next != first) {
          topics_.resize(before);
          break;
        }
        ++next;
      }
      out += fixed_;
      append_end(topics_, out);
      out += '\n';
      ++lines;
    } while (next < device.topics.size());
    return lines;
  }

 protected:
  virtual void append_fixed(const DeviceRegistration& device, std::string& out) = 0;
  virtual void append_topic(std::string_view topic, bool first, std::string& topics) = 0;
  virtual void append_end(std::string_view topics, std::string& out) = 0;
  DayTexts days_;

 private:
  // What stands around the topics: `,"topics":[` and `]}`, or two quotes.
  static constexpr std::size_t kEndBytesMax = 16;
  std::string fixed_, topics_;
};

class NdjsonLines final : public SplitLines {
 public:
  void append_header(std::string&) override {}

 private:
  static void append_field(std::string_view name, std::string_view text, std::string& out) {
    if (text.empty()) return;
    out += ",\"";
    out += name;
    out += "\":";
    append_json_text(text, out);
  }

  void append_fixed(const DeviceRegistration& device, std::string& out) override {
    out += "{\"device\":";
    append_json_text(device.device, out);
    append_field("app", device.app, out);
    append_field("platform", name_of(device.platform), out);
    if (const auto subscription = subscription_of(device)) {
      out += ",\"subscription\":";
      append_subscription(*subscription, out);
    } else {
      append_field("token", device.token, out);
    }
    append_field("subscriber", device.subscriber, out);
    append_field("locale", device.locale, out);
    append_field("timezone", device.timezone, out);
    append_field("app_version", device.app_version, out);
    append_field("last_seen", days_.get(device.last_seen_ms), out);
    if (!device.attributes.empty()) {
      char before = '{';
      out += ",\"attributes\":";
      for (const AttributeView& attribute : device.attributes) {
        out += std::exchange(before, ',');
        append_json_text(attribute.name, out);
        out += ':';
        append_json_value(attribute, out);
      }
      out += '}';
    }
    if (!device.device_topics.empty()) {
      out += ",\"device_topics\":";
      append_json_list(device.device_topics, out);
    }
  }
  void append_topic(std::string_view topic, bool first, std::string& topics) override {
    if (!first) topics += ',';
    append_json_text(topic, topics);
  }
  void append_end(std::string_view topics, std::string& out) override {
    if (!topics.empty()) {
      out += ",\"topics\":[";
      out += topics;
      out += ']';
    }
    out += '}';
  }
};

class CsvLines final : public SplitLines {
 public:
  explicit CsvLines(std::vector<std::string> attribute_names)
      : columns_(std::move(attribute_names)) {}

  void append_header(std::string& out) override {
    out +=
        "device,app,platform,token,subscription,subscriber,locale,timezone,app_version,last_seen";
    for (const std::string& name : columns_) {
      out += ',';
      import::append_csv(std::string(import::kAttributeColumnPrefix) + name, out);
    }
    out += ",device_topics,topics\n";
  }

 private:
  void append_fixed(const DeviceRegistration& device, std::string& out) override {
    field_.clear();
    const auto subscription = subscription_of(device);
    if (subscription) append_subscription(*subscription, field_);
    const std::string_view token = subscription ? std::string_view() : device.token;
    for (const std::string_view field :
         {device.device, device.app, name_of(device.platform), token, std::string_view(field_),
          device.subscriber, device.locale, device.timezone, device.app_version,
          days_.get(device.last_seen_ms)}) {
      import::append_csv(field, out);
      out += ',';
    }
    auto attribute = device.attributes.begin();
    for (const std::string& column : columns_) {
      while (attribute != device.attributes.end() && attribute->name < column) ++attribute;
      if (attribute != device.attributes.end() && attribute->name == column) {
        append_value(*attribute, out);
      }
      out += ',';
    }
    field_.clear();
    for (const std::string_view topic : device.device_topics) {
      append_topic(topic, field_.empty(), field_);
    }
    import::append_csv(field_, out);
    out += ',';
  }
  void append_topic(std::string_view topic, bool first, std::string& topics) override {
    if (!first) topics += ' ';
    topics += topic;
  }
  void append_end(std::string_view topics, std::string& out) override {
    import::append_csv(topics, out);
  }

  // A text that would be read as something else stands as JSON.
  static bool may_stand_as_it_is(std::string_view text) {
    const bool like_json = text.starts_with('"') || text.starts_with('[') || text == "true" ||
                           text == "false" || import::parse_json_number(text);
    return !text.empty() && !like_json;
  }

  void append_value(const AttributeView& attribute, std::string& out) {
    const auto* text = std::get_if<std::string_view>(&attribute.value);
    if (text != nullptr && may_stand_as_it_is(*text)) return import::append_csv(*text, out);
    field_.clear();
    append_json_value(attribute, field_);
    import::append_csv(field_, out);
  }

  const std::vector<std::string> columns_;
  std::string field_;
};

}  // namespace

void append_json_text(std::string_view text, std::string& out) {
  out += '"';
  std::size_t plain = 0;  // where what is not yet copied begins
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out += text.substr(plain, i - plain);
    plain = i + 1;
    if (byte >= 0x20) {
      out += '\\';
      out += text[i];
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    }
  }
  out += text.substr(plain);
  out += '"';
}

void append_json_number(double number, std::string& out) {
  // Beyond 2^53 a whole number is written as a float: as digits alone a reader may take it for an
  // integer that is too large.
  constexpr double kWholeMax = 9007199254740992.0;
  std::array<char, 32> digits;
  char* const end = digits.data() + digits.size();
  std::to_chars_result written{};
  if (number == 0 && std::signbit(number)) {
    out += "-0.0";  // "-0" is read as an integer, which has no sign
    return;
  }
  if (std::abs(number) >= kWholeMax) {
    written = std::to_chars(digits.data(), end, number, std::chars_format::scientific);
  } else if (std::trunc(number) == number) {
    written = std::to_chars(digits.data(), end, static_cast<std::int64_t>(number));
  } else {
    written = std::to_chars(digits.data(), end, number);
  }
  out.append(digits.data(), written.ptr);
}

tl::expected<std::unique_ptr<DeviceLines>, std::string> make_device_lines(
    import::Format format, std::vector<std::string> attribute_names) {
  if (format == import::Format::kNdjson) return std::make_unique<NdjsonLines>();
  constexpr std::size_t kOtherColumns = 12;
  const std::size_t names = attribute_names.size();
  auto lines = std::make_unique<CsvLines>(std::move(attribute_names));
  std::string header;
  lines->append_header(header);
  if (names + kOtherColumns <= import::kCsvColumnsMax && header.size() <= import::kLineBytesMax) {
    return lines;
  }
  return tl::unexpected(fmt::format(
      "{} names of attributes are more than the {} columns or {} bytes of a CSV header: "
      "export one app at a time, or as NDJSON",
      names, import::kCsvColumnsMax, import::kLineBytesMax));
}

}  // namespace carillon::exporting
