// What names and texts may be. Each check answers nothing, or what is wrong: "the device's name is
// empty".
#pragma once

#include <optional>
#include <string_view>

#include "storage/store.h"

namespace carillon::store::sqlite {

// Printable UTF-8 of at most `bytes_max` bytes, empty or not.
std::optional<Error> check_text(std::string_view what, std::string_view text,
                                std::size_t bytes_max);
// The same of 1 to kNameBytesMax bytes.
std::optional<Error> check_name(std::string_view what, std::string_view name);
std::optional<Error> check_registration(const DeviceRegistration& line);
// The sizes and types of a whole audience.
std::optional<Error> check_audience(const Audience& audience);

}  // namespace carillon::store::sqlite
