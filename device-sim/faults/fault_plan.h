#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace device_sim {

// What shall go wrong. Everything off by default.
//
// The two device shares pick always the same devices, by a keyed hash of the device's number. The
// two answer shares are drawn for each request. Shares are 0 to 1.
struct FaultPlan {
  double unregistered_share = 0;    // APNs 410 Unregistered, FCM 404 UNREGISTERED
  double wrong_app_share = 0;       // APNs 400 DeviceTokenNotForTopic, FCM 403 SENDER_ID_MISMATCH
  double throttled_share = 0;       // APNs 429 TooManyRequests, FCM 429 QUOTA_EXCEEDED
  double unavailable_share = 0;     // APNs 503 ServiceUnavailable, FCM 503 UNAVAILABLE
  std::uint32_t retry_after_s = 1;  // sent with 429 and 503; 0: not sent
  std::uint32_t unregistered_age_s = 0;  // how far back a 410's timestamp lies for the share above
  std::uint32_t latency_ms = 0;          // every answer waits this long
  std::uint64_t goaway_every = 0;        // requests over all connections; 0: never
  std::uint64_t cut_every = 0;           // likewise
  std::uint64_t bad_tokens_per_connection = 0;  // APNs: BadDeviceTokens until GOAWAY; 0: never
  std::string goaway_reason = "Shutdown";       // GOAWAY's debug data: {"reason":"…"}
  // The id of a key whose owner has revoked it: APNs 403 InvalidProviderToken; empty: none.
  std::string revoked_apns_key;

  bool operator==(const FaultPlan&) const = default;
};

inline constexpr std::uint32_t kRetryAfterSecondsMax = 86'400;
inline constexpr std::uint32_t kUnregisteredAgeSecondsMax = 365 * 86'400;
inline constexpr std::uint32_t kLatencyMsMax = 60'000;

// One thing wrong with a plan; `key` is empty when it is wrong as a whole.
struct FaultPlanProblem {
  std::string key;
  std::string sentence;
};

// Keys as the fields above are called; a key left out keeps its default. All problems at once.
tl::expected<FaultPlan, std::vector<FaultPlanProblem>> parse_fault_plan(const nlohmann::json& json);

nlohmann::json to_json(const FaultPlan& plan);

// The plan in a TOML file with the same keys. Each problem is a line "FILE:LINE: sentence".
tl::expected<FaultPlan, std::vector<std::string>> read_fault_plan(const std::string& path);

}  // namespace device_sim
