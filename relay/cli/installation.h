// The config and the store that a command works on. What is wrong with them is told on stderr.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "relay/cli/terminal.h"
#include "relay/config/config.h"
#include "storage/bulk_load.h"
#include "storage/store.h"

namespace carillon::cli {

// Every problem on a line of its own: "carillon.toml:12: http.threads must be 1 to 1024, not 0".
std::optional<config::Config> load_config_or_explain(Terminal& terminal,
                                                     const std::filesystem::path& file);

enum class StoreUse {
  kServe,   // the one relay of this store: another one is refused
  kBeside,  // a short visit, beside a relay that may be running
  kRead,    // as that, to a store that must be there already; nothing is written, and this user
            // need not be able to
  kUpkeep,  // beside a relay, to a store that must be there already
};
// Creates the store if it is not there, unless it must be there already. Null: it could not be
// opened, and stderr says why.
std::unique_ptr<store::Store> open_store_or_explain(Terminal& terminal, const config::Store& config,
                                                    StoreUse use);
// Null: not a store for a bulk load (it has devices, or somebody has it open), or one that cannot
// be opened at all, which open_store_or_explain then says.
std::unique_ptr<store::BulkLoad> try_bulk_load(const config::Store& config);
// As store::convert_sqlite_store.
store::Result<std::uint64_t> convert_store(const config::Store& config);
// True if no relay has the store at this moment.
bool nobody_serves(const config::Store& config);

// "carillon: <sentence>" on stderr.
void explain(Terminal& terminal, std::string_view sentence);

}  // namespace carillon::cli
