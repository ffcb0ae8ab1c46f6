#include "relay/import/csv_line.h"

#include <fmt/format.h>

#include <algorithm>

namespace carillon::import {

tl::expected<const std::vector<std::string_view>*, std::string> CsvLine::split(
    std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  fields_.clear();
  // Views into it hold: it never grows beyond the line.
  unquoted_.clear();
  unquoted_.reserve(line.size());
  while (true) {
    if (fields_.size() == kCsvColumnsMax) {
      return tl::unexpected(fmt::format("line: has more than {} fields", kCsvColumnsMax));
    }
    if (!line.starts_with('"')) {
      const std::size_t end = std::min(line.find(','), line.size());
      const std::string_view field = line.substr(0, end);
      if (field.find('"') != field.npos) {
        return tl::unexpected(fmt::format(
            "line: field {} has a quote; it must stand in quotes, with each quote doubled",
            fields_.size() + 1));
      }
      fields_.push_back(field);
      line.remove_prefix(end);
    } else {
      const std::size_t begin = unquoted_.size();
      std::size_t at = 1;
      while (true) {
        const std::size_t quote = line.find('"', at);
        if (quote == line.npos) {
          return tl::unexpected(fmt::format(
              "line: field {} begins with a quote and does not end with one on this line",
              fields_.size() + 1));
        }
        unquoted_ += line.substr(at, quote - at);
        at = quote + 1;
        if (at == line.size() || line[at] != '"') break;
        unquoted_ += '"';
        ++at;
      }
      fields_.push_back(std::string_view(unquoted_).substr(begin));
      line.remove_prefix(at);
      if (!line.empty() && line[0] != ',') {
        return tl::unexpected(
            fmt::format("line: field {} goes on after its closing quote", fields_.size()));
      }
    }
    if (line.empty()) return &fields_;
    line.remove_prefix(1);
  }
}

void append_csv(std::string_view field, std::string& out) {
  if (field.find_first_of("\",\r\n") == field.npos) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace carillon::import
