#include "relay/cli/provider_errors.h"

#include <fmt/format.h>

#include "relay/cli/credentials.h"

namespace carillon::cli {

std::vector<std::string> ProviderErrors::news(const std::vector<fanout::LaneStats>& lanes) {
  std::vector<std::string> sentences;
  for (const fanout::LaneStats& lane : lanes) {
    std::string& told = told_[{lane.app, lane.platform}];
    if (lane.provider.last_error == told) continue;
    told = lane.provider.last_error;
    if (!told.empty()) {
      sentences.push_back(fmt::format("{} {}", section_of(lane.app, lane.platform), told));
    }
  }
  return sentences;
}

}  // namespace carillon::cli
