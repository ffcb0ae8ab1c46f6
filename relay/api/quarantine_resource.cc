#include "relay/api/quarantine_resource.h"

#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "relay/api/event_document.h"
#include "relay/api/store_problem.h"
#include "relay/api/strict_json.h"
#include "relay/import/registration_form.h"

namespace carillon::api {
namespace {

nlohmann::ordered_json quarantine_counts(const store::PlatformCounts& counts) {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out[std::string(platform_name(static_cast<store::Platform>(i + 1)))] = counts[i];
  }
  return out;
}

std::optional<store::Platform> platform_named(std::string_view name) {
  for (std::size_t i = 1; i <= store::kPlatforms; ++i) {
    const auto platform = static_cast<store::Platform>(i);
    if (platform_name(platform) == name) return platform;
  }
  return std::nullopt;
}

// The value of a query's number, `fallback` if it is not there; nothing: out of form or range.
std::optional<std::uint64_t> query_number(const Admission& admission, std::string_view name,
                                          std::uint64_t fallback, std::uint64_t least,
                                          std::uint64_t most) {
  for (const auto& [key, text] : admission.target.query) {
    if (key != name) continue;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value < least || value > most ? std::nullopt : std::optional(value);
  }
  return fallback;
}

// Who is meant.
struct QuarantineForm {
  std::optional<store::Platform> platform;
  std::optional<std::vector<std::string>> devices;
};

void read_platform(const nlohmann::json& value, QuarantineForm& form,
                   std::vector<FieldError>& errors) {
  if (value.is_string()) form.platform = platform_named(value.get_ref<const std::string&>());
  if (!form.platform) errors.push_back({"/platform", "must be apns, fcm or webpush"});
}

void read_devices(const nlohmann::json& value, QuarantineForm& form,
                  std::vector<FieldError>& errors) {
  if (!value.is_array() || value.empty() || value.size() > store::kQuarantineBatchMax) {
    errors.push_back({"/devices", "must be an array of 1 to " +
                                      std::to_string(store::kQuarantineBatchMax) + " names"});
    return;
  }
  std::vector<std::string>& names = form.devices.emplace();
  for (std::size_t i = 0; i < value.size() && errors.size() < kFieldErrorsMax; ++i) {
    const std::string at = "/devices/" + std::to_string(i);
    const std::string_view fault = value[i].is_string()
                                       ? import::name_fault(value[i].get_ref<const std::string&>())
                                       : std::string_view("must be a string");
    if (!fault.empty()) {
      errors.push_back({at, std::string(fault)});
    } else {
      names.push_back(value[i].get<std::string>());
    }
  }
}

tl::expected<QuarantineForm, Reply> parse_quarantine_form(std::string_view body) {
  const auto json = parse_strict_json(body);
  if (!json) {
    return tl::unexpected(
        problem_reply(json.error().well_formed ? Problem::kInvalidBody : Problem::kInvalidJson, "",
                      {json.error().error}));
  }
  QuarantineForm form;
  std::vector<FieldError> errors;
  if (!json->is_object()) {
    errors.push_back({"", "must be an object, not " + std::string(json_type_name(*json))});
  } else {
    for (const auto& [name, value] : json->items()) {
      if (errors.size() >= kFieldErrorsMax) break;
      if (name == "platform") {
        read_platform(value, form, errors);
      } else if (name == "devices") {
        read_devices(value, form, errors);
      } else {
        errors.push_back({"/" + pointer_token(name), "is not a field here"});
      }
    }
  }
  if (form.platform && form.devices) {
    errors.push_back({"/platform", "must not stand beside `devices`, which say it themselves"});
  }
  if (!errors.empty()) return tl::unexpected(problem_reply(Problem::kInvalidBody, "", errors));
  return form;
}

}  // namespace

Reply list_quarantine(store::Store& store, const Admission& admission) {
  const std::string& app = admission.match.captures[0];
  const auto limit =
      query_number(admission, "limit", kQuarantinePageDefault, 1, kQuarantinePageMax);
  if (!limit) {
    return problem_reply(Problem::kInvalidParameter, "`limit` must be an integer from 1 to " +
                                                         std::to_string(kQuarantinePageMax));
  }
  const auto after =
      query_number(admission, "after", 0, 0, std::numeric_limits<std::int64_t>::max());
  if (!after) {
    return problem_reply(Problem::kInvalidParameter, "`after` must be what `next` said");
  }
  const auto counts = store.count_quarantine(app);
  if (!counts) return store_problem(counts.error(), Problem::kUnknownApp);
  // One more than is shown tells whether there is a next page.
  auto devices = store.quarantine(app, *after, *limit + 1);
  if (!devices) return store_problem(devices.error(), Problem::kUnknownApp);
  const bool more = devices->size() > *limit;
  if (more) devices->resize(*limit);
  nlohmann::ordered_json document{
      {"app", app},
      {"count", std::accumulate(counts->begin(), counts->end(), std::uint64_t{0})},
      {"by_platform", quarantine_counts(*counts)},
      {"devices", nlohmann::ordered_json::array()},
      {"next", nullptr}};
  for (const store::QuarantinedDevice& device : *devices) {
    document["devices"].push_back({{"device", device.device},
                                   {"platform", platform_name(device.platform)},
                                   {"reason", device.reason},
                                   {"dead_since", rfc3339(device.dead_since_ms)},
                                   {"quarantined_at", rfc3339(device.at_ms)}});
  }
  if (more) {
    document["next"] = "/v1/apps/" + app + "/quarantine?limit=" + std::to_string(*limit) +
                       "&after=" + std::to_string(devices->back().position);
  }
  return Reply{.status = 200, .body = document.dump() + "\n"};
}

Reply decide_quarantine(store::Store& store, store::QuarantineAction action,
                        const Admission& admission, std::string_view body) {
  const std::string& app = admission.match.captures[0];
  const auto form = parse_quarantine_form(body);
  if (!form) return form.error();
  std::uint64_t devices = 0;
  if (form->devices) {
    const auto step = store.decide_quarantine(app, action, *form->devices);
    if (!step) return store_problem(step.error(), Problem::kUnknownApp);
    devices = step->devices;
  } else {
    // Batches, so that publishers' commits get in between.
    store::QuarantineStep step;
    do {
      const auto next = store.decide_quarantine(app, action, form->platform, step.through,
                                                store::kQuarantineBatchMax);
      if (!next) return store_problem(next.error(), Problem::kUnknownApp);
      step = *next;
      devices += step.devices;
    } while (!step.end);
  }
  const char* const done = action == store::QuarantineAction::kRestore ? "restored" : "removed";
  return Reply{.status = 200, .body = nlohmann::ordered_json{{done, devices}}.dump() + "\n"};
}

}  // namespace carillon::api
