// What an export writes of a device, and that an import reads the same from it.
#include "relay/export/device_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "relay/import/registration_csv.h"
#include "relay/import/registration_line.h"

namespace carillon::exporting::device_lines_test {
namespace {

using import::Format;
using store::AttributeView;
using store::DeviceRegistration;
using Texts = std::span<const std::string_view>;

constexpr std::int64_t kSeenMs = 20'000 * std::int64_t{86'400'000};

DeviceRegistration plain() {
  return {.app = "video",
          .device = "d-1",
          .platform = store::Platform::kFcm,
          .token = "t",
          .subscriber = {},
          .locale = {},
          .timezone = {},
          .last_seen_ms = kSeenMs};
}

std::vector<std::string> names_of(std::span<const AttributeView> attributes) {
  std::vector<std::string> names;
  for (const AttributeView& attribute : attributes) names.emplace_back(attribute.name);
  return names;
}

std::vector<std::string> lines_of(Format format, const DeviceRegistration& device) {
  const auto lines = make_device_lines(format, names_of(device.attributes)).value();
  std::string text;
  lines->append_header(text);
  const std::size_t written = lines->append(device, text);
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  EXPECT_EQ(all.size(), written + (format == Format::kCsv ? 1 : 0));
  return all;
}

// Reads lines as an import does.
class Reader {
 public:
  explicit Reader(Format format) : format_(format) {}

  void header(const std::string& line) { EXPECT_EQ(csv_.read_header(line), ""); }
  DeviceRegistration read(const std::string& line) {
    line_ = line;
    line_.reserve(line.size() + import::RegistrationLine::kPaddingBytes);
    const auto device = format_ == Format::kCsv ? csv_.parse(line_) : json_.parse(line_);
    EXPECT_TRUE(device) << device.error() << "\n" << line.substr(0, 300);
    return device.value_or(DeviceRegistration{});
  }

 private:
  Format format_;
  std::string line_;
  import::RegistrationLine json_{{.app = {}, .known_apps = {"video"}}};
  import::RegistrationCsv csv_{{.app = {}, .known_apps = {"video"}}};
};

bool same_value(const AttributeView& a, const AttributeView& b) {
  if (a.value.index() != b.value.index() || a.name != b.name) return false;
  if (const auto* number = std::get_if<double>(&a.value)) {
    const double other = std::get<double>(b.value);
    return *number == other && std::signbit(*number) == std::signbit(other);
  }
  if (const auto* texts = std::get_if<Texts>(&a.value)) {
    return std::ranges::equal(*texts, std::get<Texts>(b.value));
  }
  if (const auto* text = std::get_if<std::string_view>(&a.value)) {
    return *text == std::get<std::string_view>(b.value);
  }
  return std::get<bool>(a.value) == std::get<bool>(b.value);
}

void expect_read_as_written(Format format, const DeviceRegistration& device) {
  auto lines = lines_of(format, device);
  Reader reader(format);
  if (format == Format::kCsv) {
    reader.header(lines.front());
    lines.erase(lines.begin());
  }
  std::vector<std::string> topics;
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), import::kLineBytesMax);
    const DeviceRegistration read = reader.read(line);
    EXPECT_EQ(read.app, device.app);
    EXPECT_EQ(read.device, device.device);
    EXPECT_EQ(read.platform, device.platform);
    EXPECT_EQ(read.token, device.token);
    EXPECT_EQ(read.subscriber, device.subscriber);
    EXPECT_EQ(read.locale, device.locale);
    EXPECT_EQ(read.timezone, device.timezone);
    EXPECT_EQ(read.app_version, device.app_version);
    EXPECT_EQ(read.last_seen_ms, device.last_seen_ms);
    EXPECT_TRUE(std::ranges::equal(read.device_topics, device.device_topics));
    EXPECT_TRUE(std::ranges::equal(read.attributes, device.attributes, same_value)) << line;
    topics.insert(topics.end(), read.topics.begin(), read.topics.end());
  }
  EXPECT_TRUE(std::ranges::equal(topics, device.topics));
}

TEST(DeviceLines, SayOfADeviceWhatIsKnownAndNoMore) {
  EXPECT_EQ(
      lines_of(Format::kNdjson, plain()),
      (std::vector<std::string>{R"({"device":"d-1","app":"video","platform":"fcm","token":"t",)"
                                R"("last_seen":"2024-10-04T00:00:00.000Z"})"}));
  EXPECT_EQ(
      lines_of(Format::kCsv, plain()),
      (std::vector<std::string>{"device,app,platform,token,subscription,subscriber,locale,timezone,"
                                "app_version,last_seen,device_topics,topics",
                                "d-1,video,fcm,t,,,,,,2024-10-04T00:00:00.000Z,,"}));
}

TEST(DeviceLines, AreReadAsTheyWereWritten) {
  const std::string_view topics[] = {"a", "b-2", "c~%d"}, own[] = {"tablets"};
  const std::string_view teams[] = {"fcb", "", "b\"v,b", "\\"}, one[] = {"x"};
  const double wholes[] = {0, 1, -1, 9007199254740991.0};
  std::vector<AttributeView> attributes{
      {"a,comma", std::string_view("x")},
      {"b\"quote", true},
      {"c", false},
      {"d", 18.0},
      {"e", 0.1},
      {"f", -0.0},
      {"g", 1e300},
      {"h", 5e-324},
      {"i", 18446744073709551616.0},
      {"j", 9223372036854775808.0},
      {"k", wholes[3]},
      {"l", -9007199254740993.0},
      {"m", std::string_view("")},
      {"n", std::string_view("18")},
      {"o", std::string_view("true")},
      {"p", std::string_view("\"quoted\"")},
      {"q", std::string_view("[\"a\"]")},
      {"r", std::string_view("[not json]")},
      {"s", std::string_view(" spaces, \"and\" \\ more; ü 🔔 ")},
      {"t", Texts(teams)},
      {"u", Texts(one)},
      {"v", Texts()},
      {"w", std::string_view("-")},
      {"x", std::string_view("null")},
      {"ü", std::string_view("ü")},
  };
  DeviceRegistration device = plain();
  device.device = "d, \"1\" \\ ;ü";
  device.subscriber = "[\"u\"]";
  device.locale = "de-AT";
  device.timezone = "Etc/GMT+5";
  device.app_version = "3.10+1";
  device.topics = topics;
  device.device_topics = own;
  device.attributes = attributes;
  expect_read_as_written(Format::kNdjson, device);
  expect_read_as_written(Format::kCsv, device);
}

TEST(DeviceLines, SplitWhatWouldBeLongerThanAnImportTakes) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < store::kTopicsPerSubscriberMax; ++i) {
    std::string name = std::to_string(i);
    names.push_back(std::string(store::kNameBytesMax - name.size(), 't') + name);
  }
  const std::vector<std::string_view> topics(names.begin(), names.end());
  // The longest of everything else, in the spelling that takes the most room.
  const std::string longest(store::kNameBytesMax, '"'), token(store::kTokenBytesMax, 't');
  const std::string text(store::kAttributeTextBytesMax, '"');
  std::vector<std::string> attribute_names;
  for (int i = 0; i < 15; ++i) attribute_names.push_back("a" + std::to_string(10 + i));
  std::vector<AttributeView> attributes;
  for (const std::string& name : attribute_names) {
    attributes.push_back({name, std::string_view(text)});
  }
  DeviceRegistration device = plain();
  device.device = device.subscriber = longest;
  device.token = token;
  device.device_topics = std::span(topics).first(store::kTopicsPerDeviceMax);
  device.attributes = attributes;
  device.topics = topics;
  EXPECT_GT(lines_of(Format::kNdjson, device).size(), 10U);
  expect_read_as_written(Format::kNdjson, device);
  expect_read_as_written(Format::kCsv, device);
}

TEST(DeviceLines, FillALineAsFarAsAnImportTakesIt) {
  std::vector<std::string> names;
  for (int i = 0; i < 4'000; ++i) names.push_back("topic-" + std::to_string(10'000 + i) + "-----");
  const std::vector<std::string_view> topics(names.begin(), names.end());
  // What one more topic takes, with a comma and quotes or a space; and what is kept for the end.
  constexpr std::size_t kTopicBytes = 19, kEndBytes = 16;
  for (const Format format : {Format::kNdjson, Format::kCsv}) {
    // Lengths of the fixed part that let the last topic end at every byte before the limit.
    for (std::size_t length = 1; length <= kTopicBytes + 1; ++length) {
      const std::string name(length, 'd');
      DeviceRegistration device = plain();
      device.device = name;
      device.topics = topics;
      const auto lines = lines_of(format, device);
      const std::size_t first = format == Format::kCsv ? 1 : 0;
      ASSERT_EQ(lines.size(), first + 2);
      EXPECT_LE(lines[first].size(), import::kLineBytesMax);
      EXPECT_GT(lines[first].size() + kTopicBytes + kEndBytes, import::kLineBytesMax);
      if (length == 1) expect_read_as_written(format, device);
    }
  }
}

TEST(DeviceLines, RefuseMoreAttributesThanCsvHasColumnsFor) {
  std::vector<std::string> names;
  while (names.size() < import::kCsvColumnsMax - 12) names.push_back(std::to_string(names.size()));
  EXPECT_TRUE(make_device_lines(Format::kCsv, names));
  names.emplace_back("one more");
  const auto refused = make_device_lines(Format::kCsv, names);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("1100 columns"), std::string::npos) << refused.error();
  EXPECT_TRUE(make_device_lines(Format::kNdjson, names)) << "which has no columns";
  const std::vector<std::string> long_names(900, std::string(store::kAttributeNameBytesMax, 'n'));
  EXPECT_FALSE(make_device_lines(Format::kCsv, long_names)) << "a header is a line, too";
}

TEST(JsonText, EscapesWhatJsonDoesNotTakeAsItIs) {
  std::string out;
  append_json_text(std::string_view("a\"b\\c\0\x1f/ü", 10), out);
  EXPECT_EQ(out, "\"a\\\"b\\\\c\\u0000\\u001f/ü\"");
}

}  // namespace
}  // namespace carillon::exporting::device_lines_test
