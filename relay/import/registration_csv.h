// The lines of a CSV import: a header that names the columns, then one registration a line.
//
//   device,app,platform,token,topics,attributes.plan,attributes.age
//   d-1,video,fcm,fAb…,channel-42 news,pro,18
//
// Columns are the fields of an NDJSON line, in any order. An empty field is not given. Topics are
// separated by a space or a semicolon. An attribute is read as JSON if it is a JSON number, true,
// false, a string in quotes or an array of strings; otherwise it is a text as it stands. A
// subscription is JSON.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "relay/import/csv_line.h"
#include "relay/import/registration_fields.h"
#include "storage/store.h"

namespace carillon::import {

// "attributes.": what stands before an attribute's name in a header.
inline constexpr std::string_view kAttributeColumnPrefix = "attributes.";

// For one thread.
class RegistrationCsv {
 public:
  explicit RegistrationCsv(LineRules rules) : fields_(std::move(rules)) {}
  void set_now(std::int64_t now_ms) { fields_.set_now(now_ms); }

  // The first line. What is wrong with it, as a sentence; then no line can be read.
  std::string read_header(std::string_view line);
  // The views in the answer hold until the next call. The error names the field.
  tl::expected<store::DeviceRegistration, std::string> parse(std::string_view line);

 private:
  struct Column {
    RegistrationField field = RegistrationField::kDevice;
    std::string attribute;  // kAttributes: which
  };

  std::string take(const Column& column, std::string_view text);
  std::string take_subscription(std::string_view text);
  std::string take_topics(RegistrationField field, std::string_view text);
  std::string take_attribute(const std::string& name, std::string_view text);

  RegistrationFields fields_;
  CsvLine csv_;
  std::vector<Column> columns_;
  simdjson::dom::parser parser_;
  // What attributes of one line are parsed to: the parser's own text lasts until its next call.
  std::string texts_;
};

}  // namespace carillon::import
