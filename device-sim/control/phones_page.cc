#include "device-sim/control/phones_page.h"

namespace device_sim {

std::string_view phones_page() {
  return "<!doctype html><title>phones</title>";
}

}  // namespace device_sim
