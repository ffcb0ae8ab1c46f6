// Who may do what: API keys by their hashes, as the store has them, up to a second old.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "storage/store.h"

namespace carillon::api {

inline constexpr std::size_t kKeyBytesMax = 512;  // of a printed key

struct Identity {
  std::string key_name;
  std::uint32_t scopes = 0;
};

enum class KeyFault : std::uint8_t {
  kMissing,    // no Authorization at all
  kMalformed,  // not "Bearer <key>"
  kUnknown,    // no such key, or revoked
  kStore,      // the keys cannot be read
};

// Keys may be made and revoked by another process while this one runs: a snapshot is read again
// when it is older than kSnapshotAge, or, for a key that it lacks, older than kUnknownAge. Any
// thread; the mutex guards the pointer to the snapshot, nothing waits for the store under it.
class KeyRing {
 public:
  static constexpr std::chrono::milliseconds kSnapshotAge{1'000};
  static constexpr std::chrono::milliseconds kUnknownAge{100};

  using Monotonic = std::function<std::chrono::steady_clock::time_point()>;
  KeyRing(store::Store& store, Monotonic monotonic);

  tl::expected<Identity, KeyFault> identify(std::string_view authorization);

 private:
  struct Snapshot {
    std::vector<store::ApiKey> keys;
    std::chrono::steady_clock::time_point read_at;
  };
  // nullptr if the store has never answered.
  std::shared_ptr<const Snapshot> snapshot_no_older_than(std::chrono::milliseconds age);

  store::Store& store_;
  Monotonic monotonic_;
  std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;
};

// admin implies all others.
bool allows(const Identity& identity, std::uint32_t scope);

}  // namespace carillon::api
