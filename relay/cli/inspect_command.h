// `carillon inspect`: a window into the packed store, for operators.
#pragma once

#include <string>

#include "relay/cli/terminal.h"
#include "relay/config/config.h"
#include "storage/sqlite/store_inspection.h"

namespace carillon::cli {

// Indented lines, "name: value"; an item of a list a line.
std::string text_of(const store::Fields& facts);
// The same as one JSON object; what is not UTF-8 in a damaged store is replaced.
std::string json_of(const store::Fields& facts);

// kExitOk; kExitFailure if there is nothing of that name or the store cannot be read; kExitUsage if
// there is no such table or key.
int run_inspect(Terminal& terminal, const config::Store& config,
                const store::Inspection& inspection, bool json);

}  // namespace carillon::cli
