// One line of an import, parsed and checked:
// {"device":"d-1","app":"video","platform":"fcm","token":"…","subscriber":"u-9",
//  "topics":["channel-42"],"locale":"de","timezone":"Europe/Berlin"}
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "storage/store.h"

namespace carillon::import {

struct LineRules {
  std::string app;  // if set: may be left out, and no other is taken
  std::vector<std::string> known_apps;
};

// Parses line after line with the same buffers. For one thread.
class RegistrationLine {
 public:
  // Bytes that must be readable behind a line; their content does not matter.
  static constexpr std::size_t kPaddingBytes = simdjson::SIMDJSON_PADDING;

  explicit RegistrationLine(LineRules rules);

  // The views in the answer hold until the next call. The error names the field.
  tl::expected<store::DeviceRegistration, std::string> parse(std::string_view line);

 private:
  std::string read_field(std::string_view key, simdjson::dom::element value);
  std::string read_topics(simdjson::dom::element value);
  std::string missing_or_contradicting();

  LineRules rules_;
  simdjson::dom::parser parser_;
  store::DeviceRegistration device_;
  std::vector<std::string_view> topics_;
  unsigned seen_ = 0;  // one bit for each field
};

}  // namespace carillon::import
