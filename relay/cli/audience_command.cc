#include "relay/cli/audience_command.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <numeric>
#include <ostream>

#include "relay/audience/condition_parser.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"

namespace carillon::cli {

std::optional<int> refuse_condition(Terminal& terminal, const config::Config& config,
                                    AudienceCountOptions& options) {
  if (options.app.empty()) {
    if (config.apps.size() != 1) {
      std::string names;
      for (const auto& [name, app] : config.apps) names += (names.empty() ? "" : ", ") + name;
      terminal.err << fmt::format("carillon: say with --app which of the config's apps: {}\n",
                                  names);
      return kExitUsage;
    }
    options.app = config.apps.begin()->first;
  }
  if (!config.apps.contains(options.app)) {
    terminal.err << fmt::format("carillon: --app {}: there is no such app in the config\n",
                                options.app);
    return kExitUsage;
  }
  const auto condition = audience::parse_condition(options.condition);
  if (condition) return std::nullopt;
  const audience::ConditionFault& fault = condition.error();
  terminal.err << fmt::format("{}\ncarillon: what begins at character {} {}\n",
                              audience::picture_of(options.condition, fault.offset),
                              audience::character_at(options.condition, fault.offset),
                              fault.message);
  return kExitUsage;
}

int run_audience_count(Terminal& terminal, store::Store& store,
                       const AudienceCountOptions& options) {
  store::Audience audience;
  audience.condition = audience::parse_condition(options.condition).value();
  const auto begun = std::chrono::steady_clock::now();
  const auto count = store.count(options.app, audience);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begun);
  if (!count) {
    terminal.err << fmt::format("carillon: {}\n", count.error().message);
    return kExitFailure;
  }
  const std::uint64_t devices =
      std::accumulate(count->devices.begin(), count->devices.end(), std::uint64_t{0});
  if (options.json) {
    terminal.out << nlohmann::ordered_json{{"subscribers", count->subscribers},
                                           {"devices", devices},
                                           {"by_platform",
                                            {{"apns", count->devices[0]},
                                             {"fcm", count->devices[1]},
                                             {"webpush", count->devices[2]}}},
                                           {"took_ms", took.count()}}
                        .dump()
                 << std::endl;
    return kExitOk;
  }
  terminal.out << fmt::format("{} subscribers, {} devices: {} apns, {} fcm, {} webpush ({})\n",
                              grouped(count->subscribers), grouped(devices),
                              grouped(count->devices[0]), grouped(count->devices[1]),
                              grouped(count->devices[2]), duration_text(took))
               << std::flush;
  return kExitOk;
}

}  // namespace carillon::cli
