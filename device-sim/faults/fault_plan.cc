#include "device-sim/faults/fault_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace device_sim {
namespace {

using nlohmann::json;

class PlanReader {
 public:
  PlanReader(const json& source, std::vector<FaultPlanProblem>& problems)
      : source_(source), problems_(problems) {}

  void share(const char* key, double& value) {
    const json* found = take(key);
    if (found == nullptr) return;
    if (!found->is_number() || !(found->get<double>() >= 0 && found->get<double>() <= 1)) {
      problems_.push_back({key, fmt::format("{} must be a number from 0 to 1", key)});
      return;
    }
    value = found->get<double>();
  }

  template <typename Number>
  void whole(const char* key, Number& value, std::uint64_t max) {
    const json* found = take(key);
    if (found == nullptr) return;
    const bool fits = found->is_number_unsigned()
                          ? found->get<std::uint64_t>() <= max
                          : found->is_number_integer() && found->get<std::int64_t>() >= 0 &&
                                static_cast<std::uint64_t>(found->get<std::int64_t>()) <= max;
    if (!fits) {
      problems_.push_back({key, fmt::format("{} must be a whole number from 0 to {}", key, max)});
      return;
    }
    value = found->get<Number>();
  }

  void text(const char* key, std::string& value) {
    const json* found = take(key);
    if (found == nullptr) return;
    if (!found->is_string()) {
      problems_.push_back({key, fmt::format("{} must be a string", key)});
      return;
    }
    value = found->get<std::string>();
  }

  void refuse_what_is_left() {
    for (const auto& [key, value] : source_.items()) {
      bool known = false;
      for (const std::string& taken : known_) known = known || taken == key;
      if (!known) {
        problems_.push_back(
            {key, fmt::format("'{}' is not a fault; known are {}", key, fmt::join(known_, ", "))});
      }
    }
  }

 private:
  const json* take(const char* key) {
    known_.emplace_back(key);
    const auto found = source_.find(key);
    return found == source_.end() ? nullptr : &*found;
  }

  const json& source_;
  std::vector<FaultPlanProblem>& problems_;
  std::vector<std::string> known_;
};

json as_json(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* whole = node.as_integer()) return whole->get();
  if (const auto* real = node.as_floating_point()) return real->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  return json::array();  // no fault is a table, an array or a date: whatever it is, it is refused
}

}  // namespace

tl::expected<FaultPlan, std::vector<FaultPlanProblem>> parse_fault_plan(const json& source) {
  std::vector<FaultPlanProblem> problems;
  if (!source.is_object()) {
    problems.push_back({"", "a fault plan must be a JSON object"});
    return tl::unexpected(std::move(problems));
  }
  constexpr auto kCountMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  FaultPlan plan;
  PlanReader reader(source, problems);
  reader.share("unregistered_share", plan.unregistered_share);
  reader.share("wrong_app_share", plan.wrong_app_share);
  reader.share("throttled_share", plan.throttled_share);
  reader.share("unavailable_share", plan.unavailable_share);
  reader.whole("retry_after_s", plan.retry_after_s, kRetryAfterSecondsMax);
  reader.whole("unregistered_age_s", plan.unregistered_age_s, kUnregisteredAgeSecondsMax);
  reader.whole("latency_ms", plan.latency_ms, kLatencyMsMax);
  reader.whole("goaway_every", plan.goaway_every, kCountMax);
  reader.whole("cut_every", plan.cut_every, kCountMax);
  reader.whole("bad_tokens_per_connection", plan.bad_tokens_per_connection, kCountMax);
  reader.text("goaway_reason", plan.goaway_reason);
  reader.text("revoked_apns_key", plan.revoked_apns_key);
  reader.refuse_what_is_left();
  if (!problems.empty()) return tl::unexpected(std::move(problems));
  return plan;
}

json to_json(const FaultPlan& plan) {
  return json{{"unregistered_share", plan.unregistered_share},
              {"wrong_app_share", plan.wrong_app_share},
              {"throttled_share", plan.throttled_share},
              {"unavailable_share", plan.unavailable_share},
              {"retry_after_s", plan.retry_after_s},
              {"unregistered_age_s", plan.unregistered_age_s},
              {"latency_ms", plan.latency_ms},
              {"goaway_every", plan.goaway_every},
              {"cut_every", plan.cut_every},
              {"bad_tokens_per_connection", plan.bad_tokens_per_connection},
              {"goaway_reason", plan.goaway_reason},
              {"revoked_apns_key", plan.revoked_apns_key}};
}

tl::expected<FaultPlan, std::vector<std::string>> read_fault_plan(const std::string& path) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    return tl::unexpected(std::vector<std::string>{
        line == 0 ? fmt::format("{}: cannot be read; check --faults", path)
                  : fmt::format("{}:{}: {}", path, line, error.description())});
  }
  json source = json::object();
  for (const auto& [key, node] : table) source[std::string(key.str())] = as_json(node);
  auto plan = parse_fault_plan(source);
  if (plan) return *plan;
  std::vector<std::string> lines;
  for (const FaultPlanProblem& problem : plan.error()) {
    const toml::node* node = table.get(problem.key);
    lines.push_back(fmt::format("{}:{}: {}", path, node == nullptr ? 1 : node->source().begin.line,
                                problem.sentence));
  }
  return tl::unexpected(std::move(lines));
}

}  // namespace device_sim
