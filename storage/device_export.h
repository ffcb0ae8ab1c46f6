// Reading every device out again, as it was at one moment, while writes go on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/store.h"

namespace carillon::store {

// How many of its bytes are copied. False breaks the copying off, which then answers kBusy.
using CopyProgress = std::function<bool(std::uint64_t bytes_done, std::uint64_t bytes_total)>;

// Every device of an app or of all, each once, those of a subscriber one after the other: as the
// registrations that would make it again. What does not come out again: when a token was
// registered, and that a device was left out as stale. For one thread at a time, whichever.
class DeviceExport {
 public:
  virtual ~DeviceExport() = default;

  // Fixes the moment, by a private copy of the store: some seconds for each GiB, and that much of
  // the disk until this is destroyed. Once, before the others. kFull if there is no room for it.
  virtual Result<void> begin(const CopyProgress& progress = {}) = 0;

  // Names that the attributes of these devices may have (more is fine), sorted, each once.
  virtual Result<std::vector<std::string>> attribute_names() = 0;

  // The next device, in views until the next call; nullptr: there is none. Topics and attributes
  // are sorted. Every device has all the topics of its subscriber. `last_seen_ms` is never 0.
  virtual Result<const DeviceRegistration*> next() = 0;

  // How much has been read, 0 to 1.
  virtual double fraction() const = 0;
  // Subscribers that were passed over because they have no device yet: a registration cannot say
  // what they hear.
  virtual std::uint64_t without_device() const = 0;
};

}  // namespace carillon::store
