// `carillon audience count`: how many devices a condition names.
#pragma once

#include <optional>
#include <string>

#include "relay/cli/terminal.h"
#include "relay/config/config.h"
#include "storage/store.h"

namespace carillon::cli {

struct AudienceCountOptions {
  std::string app;  // empty: the only one of the config
  std::string condition;
  bool json = false;  // one object, as the API answers, instead of a sentence
};

// Nothing: the condition can be counted, and `app` is set. Otherwise an exit code, after stderr was
// told what is wrong, with the place. Asks no store.
std::optional<int> refuse_condition(Terminal& terminal, const config::Config& config,
                                    AudienceCountOptions& options);

// The count on stdout. The condition was not refused.
int run_audience_count(Terminal& terminal, store::Store& store,
                       const AudienceCountOptions& options);

}  // namespace carillon::cli
