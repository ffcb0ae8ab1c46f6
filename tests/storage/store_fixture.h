// A store in a folder of its own, and a short language for what is done to it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "storage/sqlite/sqlite_store.h"
#include "storage/store.h"
#include "tests/temporary_folder.h"

namespace carillon::store {

// Whoever else implements the contract runs the suite with a factory of their own.
struct StoreFactory {
  std::string name;
  std::function<Result<std::unique_ptr<Store>>(const std::string& folder)> open;
  // Every promise that the file itself must keep; empty: nothing is wrong.
  std::function<Result<std::vector<std::string>>(const std::string& folder)> check;
};

inline void PrintTo(const StoreFactory& factory, std::ostream* out) {
  *out << factory.name;
}

inline StoreFactory sqlite_factory() {
  return {
      .name = "Sqlite",
      .open =
          [](const std::string& folder) {
            return open_sqlite_store({.path = folder + "/store.db"});
          },
      .check =
          [](const std::string& folder) { return check_sqlite_store(folder + "/store.db", true); }};
}

inline EventId event_id(std::uint32_t number) {
  EventId id{};
  for (int i = 0; i < 4; ++i) {
    id[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  }
  id[15] = 1;
  return id;
}

inline Result<void> record_now(Store& store, std::vector<Checkpoint> checkpoints,
                               std::int64_t now_ms = 1000) {
  std::promise<Result<void>> promise;
  auto future = promise.get_future();
  store.record(std::move(checkpoints), now_ms,
               [&](Result<void> result) { promise.set_value(std::move(result)); });
  return future.get();
}

struct ScannedDevice {
  DevicePosition position = 0;
  std::string token;
  std::string locale;
  friend bool operator==(const ScannedDevice&, const ScannedDevice&) = default;
};

// The whole audience of a job, page by page; checks what every page promises.
inline std::vector<ScannedDevice> scan_all(Store& store, const JobKey& job,
                                           std::size_t limit = 1000, DevicePosition after = 0) {
  std::vector<ScannedDevice> devices;
  auto scan = store.scan(job);
  if (!scan) {
    ADD_FAILURE() << scan.error().message;
    return devices;
  }
  DevicePage page;
  do {
    const auto read = (*scan)->read(after, limit, page);
    if (!read) {
      ADD_FAILURE() << read.error().message;
      return devices;
    }
    EXPECT_LE(page.devices.size(), 2 * limit);
    EXPECT_TRUE(page.end || page.through > after) << "a page must move on";
    for (const auto& entry : page.devices) {
      EXPECT_GT(entry.position, after);
      EXPECT_LE(entry.position, page.through);
      EXPECT_TRUE(devices.empty() || devices.back().position < entry.position);
      devices.push_back({entry.position, page.tokens.substr(entry.token_offset, entry.token_length),
                         std::string((*scan)->locale(entry.locale).value())});
    }
    after = page.through;
  } while (!page.end);
  return devices;
}

inline std::vector<std::string> tokens_of(const std::vector<ScannedDevice>& devices) {
  std::vector<std::string> tokens;
  for (const auto& device : devices) tokens.push_back(device.token);
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

}  // namespace carillon::store
