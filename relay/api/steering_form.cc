#include "relay/api/steering_form.h"

#include <string>
#include <utility>

#include "relay/api/event_document.h"
#include "relay/api/event_parser.h"
#include "relay/api/strict_json.h"
#include "relay/fanout/steering.h"

namespace carillon::api {
namespace {

constexpr std::size_t kReplayReasonBytesMax = 256;  // as long as one that is stored

// Gathers what is wrong with the members of one object.
class SteeringReader {
 public:
  std::vector<FieldError> errors;

  void fail(std::string pointer, std::string detail) {
    if (errors.size() < kFieldErrorsMax) errors.push_back({std::move(pointer), std::move(detail)});
  }
  bool integer(const nlohmann::json& value, const std::string& pointer, std::int64_t least,
               std::int64_t most, std::int64_t& out) {
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() &&
                        value.get<std::uint64_t>() > static_cast<std::uint64_t>(most));
    if (fits) out = value.get<std::int64_t>();
    if (fits && out >= least && out <= most) return true;
    fail(pointer,
         "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return false;
  }
  // Calls take(text, pointer) for each.
  template <class Take>
  void texts(const nlohmann::json& value, const std::string& pointer, std::size_t most, Take take) {
    if (!value.is_array() || value.empty() || value.size() > most) {
      return fail(pointer, "must be a list of 1 to " + std::to_string(most) + " strings");
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string at = pointer + "/" + std::to_string(i);
      if (value[i].is_string()) {
        take(value[i].get_ref<const std::string&>(), at);
      } else {
        fail(at, "must be a string, not " + std::string(json_type_name(value[i])));
      }
    }
  }
};

tl::expected<nlohmann::json, SteeringFault> object_of(std::string_view body) {
  auto parsed = parse_strict_json(body);
  if (!parsed) {
    const auto problem = parsed.error().well_formed ? Problem::kInvalidBody : Problem::kInvalidJson;
    return tl::unexpected(SteeringFault{.problem = problem, .errors = {parsed.error().error}});
  }
  if (!parsed->is_object()) {
    return tl::unexpected(SteeringFault{.errors = {{"", "must be an object"}}});
  }
  return *std::move(parsed);
}

void read_outcome(SteeringReader& reader, const std::string& name, const std::string& pointer,
                  store::ReplayWish& wish) {
  if (name == "rejected") {
    wish.rejected = true;
  } else if (name == "expired") {
    wish.expired = true;
  } else if (name == "dead_lettered") {
    wish.dead_lettered = true;
  } else {
    reader.fail(pointer, "must be \"dead_lettered\", \"expired\" or \"rejected\"");
  }
}

}  // namespace

tl::expected<std::uint32_t, SteeringFault> parse_rate(std::string_view body) {
  const auto root = object_of(body);
  if (!root) return tl::unexpected(root.error());
  SteeringReader reader;
  std::int64_t per_second = 0;
  bool given = false;
  for (const auto& [name, value] : root->items()) {
    if (name != "per_second") {
      reader.fail("/" + pointer_token(name), "is not a field of a rate");
      continue;
    }
    given = true;
    if (!value.is_null()) {
      reader.integer(value, "/per_second", 1, fanout::kRatePerSecondMax, per_second);
    }
  }
  if (!given) reader.fail("", "must have per_second: a number of devices, or null for no limit");
  if (!reader.errors.empty()) return tl::unexpected(SteeringFault{.errors = reader.errors});
  return static_cast<std::uint32_t>(per_second);
}

tl::expected<ReplayForm, SteeringFault> parse_replay(std::string_view body) {
  const auto root = object_of(body);
  if (!root) return tl::unexpected(root.error());
  SteeringReader reader;
  ReplayForm form;
  bool outcomes = false;
  for (const auto& [name, value] : root->items()) {
    const std::string pointer = "/" + pointer_token(name);
    if (name == "outcomes") {
      outcomes = true;
      reader.texts(value, pointer, 3, [&](const std::string& text, const std::string& at) {
        read_outcome(reader, text, at, form.wish);
      });
    } else if (name == "reasons") {
      reader.texts(value, pointer, store::kReplayReasonsMax,
                   [&](const std::string& text, const std::string& at) {
                     if (text.empty() || text.size() > kReplayReasonBytesMax) {
                       reader.fail(at, "must have 1 to 256 bytes");
                     }
                     form.wish.reasons.push_back(text);
                   });
    } else if (name == "provider") {
      if (value.is_string()) form.wish.platform = platform_by_name(value.get<std::string>());
      if (!form.wish.platform) {
        reader.fail(pointer, "must be \"apns\", \"fcm\" or \"webpush\"");
      }
    } else if (name == "ttl") {
      std::int64_t ttl = 0;
      if (reader.integer(value, pointer, 1, kTtlMax.count(), ttl)) {
        form.ttl = std::chrono::seconds(ttl);
      }
    } else {
      reader.fail(pointer, "is not a field of a replay");
    }
  }
  if (!reader.errors.empty()) return tl::unexpected(SteeringFault{.errors = reader.errors});
  if (!outcomes) form.wish.expired = form.wish.dead_lettered = true;
  return form;
}

}  // namespace carillon::api
