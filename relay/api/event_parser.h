// The body of POST /v1/events, from JSON to a value. After this nothing sees the JSON.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "relay/api/problem.h"
#include "relay/fanout/publication.h"

namespace carillon::api {

// FCM keeps a message for four weeks at most; no platform keeps one longer.
inline constexpr std::chrono::seconds kTtlMax{2'419'200};
// A push that is a day late is rarely news: who wants longer says so.
inline constexpr std::chrono::seconds kTtlDefault{86'400};
inline constexpr std::size_t kTextBytesMax = 4'096;  // no platform takes a larger payload at all
inline constexpr std::size_t kUrlBytesMax = 2'048;
inline constexpr std::size_t kCollapseKeyBytesMax = 64;  // apns-collapse-id
inline constexpr std::size_t kDataPairsMax = 256;
// Of `localized`: fanout::kLocalesPerEventMax and fanout::kLocalizedBytesMax.

struct EventFault {
  Problem problem = Problem::kInvalidBody;  // or kInvalidJson
  std::vector<FieldError> errors;           // at least one, in the order of the rules
};

// Checks form only: whether the app exists, and what a platform makes of it, is the engine's to
// say. `idempotency_key` and `body_digest` are left as they are. Pure.
tl::expected<fanout::Publication, EventFault> parse_event(std::string_view body);

}  // namespace carillon::api
