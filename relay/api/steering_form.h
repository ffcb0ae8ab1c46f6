// Bodies of POST /v1/events/{event}/rate and /replay, from JSON to values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "relay/api/problem.h"
#include "storage/store.h"

namespace carillon::api {

struct SteeringFault {
  Problem problem = Problem::kInvalidBody;  // or kInvalidJson
  std::vector<FieldError> errors;
};

// {"per_second": N | null} → N, or 0 for no limit. Pure.
tl::expected<std::uint32_t, SteeringFault> parse_rate(std::string_view body);

struct ReplayForm {
  store::ReplayWish wish;                   // by default what expired and what was dead-lettered
  std::optional<std::chrono::seconds> ttl;  // none: as long as it was
};

// {"outcomes": […], "reasons": […], "provider": "…", "ttl": s}, all of them optional. Pure.
tl::expected<ReplayForm, SteeringFault> parse_replay(std::string_view body);

}  // namespace carillon::api
