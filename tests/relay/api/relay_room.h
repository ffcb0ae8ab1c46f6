// What the API stands in: a store on a file of its own, a publisher that does what a test says, and
// API keys.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "relay/api/publisher.h"
#include "relay/api/sha256.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/store.h"

namespace carillon::api {

class ScriptedPublisher : public Publisher {
 public:
  using Answer = tl::expected<store::AcceptedEvent, fanout::Refusal>;

  Answer publish(const fanout::Publication& publication) override {
    const std::lock_guard lock(mutex_);
    published.push_back(publication);
    if (answer) return answer(publication);
    store::AcceptedEvent accepted;
    accepted.id[15] = static_cast<std::uint8_t>(published.size());
    accepted.targeted = {2, 1, 0};
    return accepted;
  }
  fanout::EngineStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_now;
  }

  std::function<Answer(const fanout::Publication&)> answer;
  std::vector<fanout::Publication> published;
  fanout::EngineStats stats_now;

 private:
  mutable std::mutex mutex_;
};

class RelayRoom {
 public:
  RelayRoom() {
    std::string folder = (std::filesystem::temp_directory_path() / "carillon-api-XXXXXX").string();
    folder_ = mkdtemp(folder.data());
    auto opened = store::open_sqlite_store({.path = (folder_ / "store.db").string()});
    if (!opened) throw std::runtime_error(opened.error().message);
    store = std::move(*opened);
  }
  ~RelayRoom() {
    store.reset();
    std::filesystem::remove_all(folder_);
  }

  void add_key(const std::string& name, const std::string& key, std::uint32_t scopes) const {
    const auto put = store->put_key(
        {.name = name, .hash = sha256(key), .scopes = scopes, .created_ms = 1, .revoked_ms = 0});
    ASSERT_TRUE(put) << put.error().message;
  }

  std::unique_ptr<store::Store> store;
  ScriptedPublisher publisher;

 private:
  std::filesystem::path folder_;
};

inline fanout::Clocks real_clocks() {
  return {.calendar = [] { return std::chrono::system_clock::now(); },
          .monotonic = [] { return std::chrono::steady_clock::now(); }};
}

}  // namespace carillon::api
