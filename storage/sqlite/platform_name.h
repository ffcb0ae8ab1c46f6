// What conditions call the platforms.
#pragma once

#include <optional>
#include <string_view>

#include "storage/store.h"

namespace carillon::store::sqlite {

inline std::optional<Platform> platform_named(std::string_view name) {
  if (name == "apns") return Platform::kApns;
  if (name == "fcm") return Platform::kFcm;
  if (name == "webpush") return Platform::kWebPush;
  return std::nullopt;
}

}  // namespace carillon::store::sqlite
