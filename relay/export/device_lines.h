// Devices as lines of NDJSON or CSV, which an import takes: what registration_line.h and
// registration_csv.h read. The topics stand last.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "relay/import/importer.h"
#include "storage/store.h"

namespace carillon::exporting {

// For one thread.
class DeviceLines {
 public:
  virtual ~DeviceLines() = default;
  // What comes before the first device: CSV's names of columns.
  virtual void append_header(std::string& out) = 0;
  // A device, in one line, or in as many as its topics need so that none is longer than an import
  // takes (import::kLineBytesMax): they say the same but for the topics, which add up. Their
  // number.
  virtual std::size_t append(const store::DeviceRegistration& device, std::string& out) = 0;
};

// `attribute_names`: sorted; each becomes a column of CSV. The error is a sentence: what CSV cannot
// hold.
tl::expected<std::unique_ptr<DeviceLines>, std::string> make_device_lines(
    import::Format format, std::vector<std::string> attribute_names);

// A finite number as JSON, so that it is read as the same number. Pure.
void append_json_number(double number, std::string& out);
// A text as a JSON string. Bytes from 0x80 on stand as they are. Pure.
void append_json_text(std::string_view text, std::string& out);

}  // namespace carillon::exporting
