// GET /v1/apps/{app}/export: every device of an app, streamed.
#pragma once

#include <string_view>

#include "relay/api/desk.h"
#include "relay/api/downloads.h"
#include "relay/coding/coding.h"
#include "storage/store.h"

namespace carillon::api {

// Of an Accept-Encoding field (RFC 9110, section 12.5.3): what its client likes best of zstd, gzip
// and nothing; in doubt in this order. What cannot be read is passed over. Pure.
coding::Coding accepted_coding(std::string_view accept_encoding);

// With `?format=csv` CSV, otherwise NDJSON. 429 while others take all places, 507 if the disk has
// no room for the copy. Any thread.
Reply export_devices(store::Store& store, Downloads& downloads, const RequestHead& head,
                     const Admission& admission);

}  // namespace carillon::api
