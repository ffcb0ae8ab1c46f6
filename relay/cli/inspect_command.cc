#include "relay/cli/inspect_command.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>

#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"

namespace carillon::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_from(const store::Fact::Value& value) {
  if (const auto* fields = std::get_if<store::Fields>(&value)) {
    Json object = Json::object();
    for (const store::Fact& fact : fields->of) object[fact.name] = json_from(fact.value);
    return object;
  }
  if (const auto* items = std::get_if<store::Items>(&value)) {
    Json array = Json::array();
    for (const store::Fact& item : items->of) array.push_back(json_from(item.value));
    return array;
  }
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) return *natural;
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return std::get<std::string>(value);
}

// What stands in a damaged store must not steer a terminal.
std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string scalar_text(const store::Fact& fact) {
  if (const auto* flag = std::get_if<bool>(&fact.value)) return *flag ? "yes" : "no";
  if (const auto* number = std::get_if<double>(&fact.value)) return fmt::format("{:.3g}", *number);
  if (const auto* text = std::get_if<std::string>(&fact.value)) return printable(*text);
  const std::uint64_t natural = std::get<std::uint64_t>(fact.value);
  // Beyond the year 9999 it is no time, but damage.
  constexpr std::uint64_t kTimeMax = 253'402'300'799'999;
  if (fact.name.ends_with("_ms") && natural != 0 && natural <= kTimeMax) {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                       fmt::gmtime(static_cast<std::time_t>(natural / 1'000)));
  }
  if (fact.name.ends_with("_bytes")) {
    return fmt::format("{} ({})", natural, size_text(natural));
  }
  return std::to_string(natural);
}

std::string one_line(const store::Fact& fact) {
  const auto* fields = std::get_if<store::Fields>(&fact.value);
  if (!fields) return scalar_text(fact);
  std::string line;
  for (const store::Fact& part : fields->of) {
    line += fmt::format("{}{}: {}", line.empty() ? "" : ", ", printable(part.name), one_line(part));
  }
  return line;
}

void append_text(const std::vector<store::Fact>& facts, std::size_t indent, std::string& out) {
  for (const store::Fact& fact : facts) {
    out.append(indent, ' ');
    if (const auto* fields = std::get_if<store::Fields>(&fact.value)) {
      out += fmt::format("{}:{}\n", printable(fact.name), fields->of.empty() ? " -" : "");
      append_text(fields->of, indent + 2, out);
    } else if (const auto* items = std::get_if<store::Items>(&fact.value)) {
      out += fmt::format("{}:{}\n", printable(fact.name), items->of.empty() ? " -" : "");
      for (const store::Fact& item : items->of) {
        out.append(indent + 2, ' ');
        out += one_line(item) + '\n';
      }
    } else {
      out += fmt::format("{}: {}\n", printable(fact.name), scalar_text(fact));
    }
  }
}

}  // namespace

std::string text_of(const store::Fields& facts) {
  std::string out;
  append_text(facts.of, 0, out);
  return out;
}

std::string json_of(const store::Fields& facts) {
  return json_from(facts).dump(2, ' ', false, Json::error_handler_t::replace);
}

int run_inspect(Terminal& terminal, const config::Store& config,
                const store::Inspection& inspection, bool json) {
  const auto facts = store::inspect_sqlite_store(config.path.string(), inspection);
  if (!facts) {
    explain(terminal, facts.error().message);
    return facts.error().kind == store::Error::Kind::kInvalid ? kExitUsage : kExitFailure;
  }
  terminal.out << (json ? json_of(*facts) + '\n' : text_of(*facts)) << std::flush;
  return kExitOk;
}

}  // namespace carillon::cli
