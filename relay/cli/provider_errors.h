// What the ways to the platforms fail for, for the log: each thing once.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "relay/fanout/engine.h"

namespace carillon::cli {

// One thread.
class ProviderErrors {
 public:
  // A sentence for each provider whose latest error is another than when it was asked last; at
  // first, for each that has one. A peer's own words are in it, made printable.
  std::vector<std::string> news(const std::vector<fanout::LaneStats>& lanes);

 private:
  std::map<std::pair<std::string, push::Platform>, std::string> told_;
};

}  // namespace carillon::cli
