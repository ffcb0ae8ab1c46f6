// The body of PUT /v1/apps/{app}/devices/{device}, from JSON to a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "providers/webpush/origin_list.h"
#include "relay/api/problem.h"
#include "storage/store.h"

namespace carillon::api {

struct DeviceForm {
  store::Platform platform = store::Platform::kApns;
  std::string token;
  std::string subscriber;  // empty: anonymous
  std::string locale;
  std::string timezone;
  std::vector<std::string> topics;
  std::vector<std::string> device_topics;
  std::string app_version;
  std::vector<store::Attribute> attributes;  // each name once
  std::int64_t last_seen_ms = 0;             // 0: now
};

struct DeviceFault {
  Problem problem = Problem::kInvalidBody;  // or kInvalidJson
  std::vector<FieldError> errors;
};

// Pure. The rules of each field are those of an import line. A browser's `token` is what
// push::write_subscription makes of its subscription; `origins`: where it may be subscribed.
tl::expected<DeviceForm, DeviceFault> parse_device(std::string_view body,
                                                   const push::OriginList& origins);

}  // namespace carillon::api
