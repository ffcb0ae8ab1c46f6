// POST /v1/apps/{app}/import: NDJSON or CSV of any length, compressed or not, read as it comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "relay/api/desk.h"
#include "relay/coding/coding.h"
#include "relay/fanout/engine.h"
#include "relay/import/importer.h"
#include "storage/store.h"

namespace carillon::api {

// Of the body as it is sent: a hundred million lines of forty bytes; more goes in several requests,
// or by `carillon import`.
inline constexpr std::uint64_t kImportBytesMax = 4ULL * 1024 * 1024 * 1024;
// Of what a compressed body holds: lines shrink to a quarter, what shrinks to a thousandth is a
// bomb.
inline constexpr std::uint64_t kImportDataBytesMax = 16ULL * 1024 * 1024 * 1024;

// Lines of one transaction: publishes wait behind it, so it is to last some 50 ms.
inline constexpr std::size_t kImportBatchLines = 2'000;

// What a body's head says of it.
struct ImportBody {
  import::Format format = import::Format::kNdjson;
  coding::Coding coding = coding::Coding::kNone;
  std::uint64_t data_bytes_max = kImportDataBytesMax;
};
// By a media type in lower case, without parameters. Nothing: not one that an import takes.
std::optional<import::Format> import_format(std::string_view media_type);

// Holds two batches of lines at a time, whatever the body's length. If the body breaks off or the
// store fails, what was stored before stays, and the problem's `next_line` is the first line that
// was not taken: `?from_line=N` passes over those before line N of the same body, but for a CSV
// header.
// With `?dry_run=1` every line is judged and nothing is stored.
Reply import_body(store::Store& store, const fanout::Clocks& clocks,
                  const import::PushOrigins& push_origins, const Admission& admission,
                  const ImportBody& said, BodySource& body);

}  // namespace carillon::api
