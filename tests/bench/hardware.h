// What the figures were measured on, one line each.
#pragma once

#include <string>
#include <vector>

namespace carillon::bench {

std::vector<std::string> describe_hardware(const std::string& folder);

}  // namespace carillon::bench
