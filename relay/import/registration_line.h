// One line of an NDJSON import, parsed and checked:
// {"device":"d-1","app":"video","platform":"fcm","token":"…","subscriber":"u-9",
//  "topics":["channel-42"],"device_topics":["tablets"],"locale":"de","timezone":"Europe/Berlin",
//  "app_version":"3.10","last_seen":"2026-01-02T03:04:05Z",
//  "attributes":{"plan":"pro","age":18,"beta":true,"teams":["fcb","bvb"]}}
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "relay/import/registration_fields.h"
#include "storage/store.h"

namespace carillon::import {

// Parses line after line with the same buffers. For one thread.
class RegistrationLine {
 public:
  // Bytes that must be readable behind a line; their content does not matter.
  static constexpr std::size_t kPaddingBytes = simdjson::SIMDJSON_PADDING;

  explicit RegistrationLine(LineRules rules) : fields_(std::move(rules)) {}
  void set_now(std::int64_t now_ms) { fields_.set_now(now_ms); }

  // The views in the answer hold until the next call. The error names the field.
  tl::expected<store::DeviceRegistration, std::string> parse(std::string_view line);

 private:
  std::string read_field(std::string_view key, simdjson::dom::element value);
  std::string read_topics(RegistrationField field, simdjson::dom::element value);
  std::string read_attributes(simdjson::dom::element value);
  std::string read_attribute(std::string_view name, simdjson::dom::element value);

  RegistrationFields fields_;
  simdjson::dom::parser parser_;
};

}  // namespace carillon::import
