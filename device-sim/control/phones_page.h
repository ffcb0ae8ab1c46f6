#pragma once

#include <string_view>

namespace device_sim {

// The phones of `listen` as one self-contained HTML page, fed by GET /sim/stream.
std::string_view phones_page();

}  // namespace device_sim
