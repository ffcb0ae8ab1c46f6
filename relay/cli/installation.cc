#include "relay/cli/installation.h"

#include <fmt/format.h>

#include <chrono>
#include <ostream>
#include <utility>

#include "storage/sqlite/sqlite_store.h"

namespace carillon::cli {
namespace {

store::SqliteStoreOptions options_for(const config::Store& config, StoreUse use) {
  store::SqliteStoreOptions options{
      .path = config.path.string(),
      .create = use == StoreUse::kServe || use == StoreUse::kBeside,
      .exclusive = use == StoreUse::kServe,
      .read_only = use == StoreUse::kRead,
      .group_requests_max = config.group_commit_max,
      .group_wait = std::chrono::milliseconds(config.group_commit_wait_ms),
      .outcome_rows_max = config.outcome_rows,
  };
  if (use != StoreUse::kServe) options.writer_cache_kib = store::kBatchCacheKib;
  return options;
}

}  // namespace

std::optional<config::Config> load_config_or_explain(Terminal& terminal,
                                                     const std::filesystem::path& file) {
  auto config = config::load_config(file);
  if (config) return std::move(*config);
  for (const config::Problem& problem : config.error()) {
    terminal.err << fmt::format("{}: {}\n", problem.where, problem.message);
  }
  terminal.err << std::flush;
  return std::nullopt;
}

std::unique_ptr<store::Store> open_store_or_explain(Terminal& terminal, const config::Store& config,
                                                    StoreUse use) {
  auto store = store::open_sqlite_store(options_for(config, use));
  if (store) return std::move(*store);
  explain(terminal, store.error().message);
  return nullptr;
}

std::unique_ptr<store::BulkLoad> try_bulk_load(const config::Store& config) {
  auto load = store::open_bulk_load(options_for(config, StoreUse::kBeside));
  return load ? std::move(*load) : nullptr;
}

store::Result<std::uint64_t> convert_store(const config::Store& config) {
  return store::convert_sqlite_store(options_for(config, StoreUse::kUpkeep));
}

bool nobody_serves(const config::Store& config) {
  return store::open_sqlite_store(options_for(config, StoreUse::kServe)).has_value();
}

void explain(Terminal& terminal, std::string_view sentence) {
  terminal.err << fmt::format("carillon: {}\n", sentence) << std::flush;
}

}  // namespace carillon::cli
