// POST /v1/apps/{app}/import: NDJSON of any length, read as it comes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "relay/api/desk.h"
#include "relay/fanout/engine.h"
#include "storage/store.h"

namespace carillon::api {

// A hundred million lines of forty bytes; more goes in several requests, or by `carillon import`.
inline constexpr std::uint64_t kImportBytesMax = 4ULL * 1024 * 1024 * 1024;

// Lines of one transaction: publishes wait behind it, so it is to last some 50 ms.
inline constexpr std::size_t kImportBatchLines = 2'000;

// Holds one batch of lines at a time, whatever the body's length. If the body breaks off, what was
// stored before stays, and the same body may be sent again.
Reply import_body(store::Store& store, const fanout::Clocks& clocks, const Admission& admission,
                  BodySource& body);

}  // namespace carillon::api
