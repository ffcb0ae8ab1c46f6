// What the API stands in: a store on a file of its own, a publisher that does what a test says, and
// API keys.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
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
#include "tests/temporary_folder.h"

namespace carillon::api {

class ScriptedPublisher : public Publisher {
 public:
  using Answer = tl::expected<store::AcceptedEvent, fanout::Refusal>;

  void publish(fanout::Publication publication, fanout::Published done) override {
    const std::lock_guard lock(mutex_);
    const Answer said = answer_to(publication);
    published.push_back(std::move(publication));
    if (!holds) return done(said);
    held_.push_back([done = std::move(done), said] { done(said); });
    changed_.notify_all();
  }
  // With `holds`: waits until as many wait for their answer, then gives it to all.
  bool release(std::size_t count) {
    std::vector<std::function<void()>> held;
    {
      std::unique_lock lock(mutex_);
      const auto all_wait = [&] { return held_.size() >= count; };
      if (!changed_.wait_for(lock, std::chrono::seconds(20), all_wait)) return false;
      held.swap(held_);
    }
    for (const auto& tell : held) tell();
    return true;
  }
  tl::expected<fanout::Plan, fanout::Refusal> plan(const fanout::Publication& publication,
                                                   std::shared_ptr<void>) override {
    const std::lock_guard lock(mutex_);
    planned.push_back(publication);
    return plan_answer();
  }
  fanout::SteeringResult steer(const store::EventId& event, const fanout::Wish& wish) override {
    const std::lock_guard lock(mutex_);
    steered.emplace_back(event, wish);
    return steer_answer(event, wish);
  }
  tl::expected<store::Replayed, fanout::SteeringRefusal> replay(
      const store::EventId&, const store::ReplayWish& wish,
      std::optional<std::chrono::seconds> ttl) override {
    const std::lock_guard lock(mutex_);
    replays.emplace_back(wish, ttl);
    return replay_answer();
  }
  void ask_channel(const std::string& app, push::ChannelRequest request,
                   push::HearChannel hear) override {
    channel_answer(app, std::move(request), std::move(hear));
  }
  fanout::EngineStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_now;
  }

  std::function<Answer(const fanout::Publication&)> answer;
  std::function<void(const std::string& app, push::ChannelRequest, push::HearChannel)>
      channel_answer =
          [](const std::string&, const push::ChannelRequest&, const push::HearChannel& hear) {
            hear({.kind = push::ChannelAnswer::Kind::kUnsupported});
          };
  std::vector<fanout::Publication> published;
  fanout::EngineStats stats_now;
  bool holds = false;  // answers wait for `release`, as they do for a commit
  std::vector<fanout::Publication> planned;
  std::function<tl::expected<fanout::Plan, fanout::Refusal>()> plan_answer = [] {
    return fanout::Plan();
  };
  std::vector<std::pair<store::EventId, fanout::Wish>> steered;
  std::function<fanout::SteeringResult(const store::EventId&, const fanout::Wish&)> steer_answer =
      [](const auto&, const auto&) { return fanout::Steered{.changed = true, .jobs = {}}; };
  std::vector<std::pair<store::ReplayWish, std::optional<std::chrono::seconds>>> replays;
  std::function<tl::expected<store::Replayed, fanout::SteeringRefusal>()> replay_answer = [] {
    return store::Replayed{};
  };

 private:
  Answer answer_to(const fanout::Publication& publication) const {
    if (answer) return answer(publication);
    store::AcceptedEvent accepted;
    accepted.id[15] = static_cast<std::uint8_t>(published.size() + 1);
    accepted.targeted = {2, 1, 0};
    return accepted;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> held_;
};

class RelayRoom {
 public:
  RelayRoom() {
    auto opened = store::open_sqlite_store({.path = folder_.file("store.db")});
    if (!opened) throw std::runtime_error(opened.error().message);
    store = std::move(*opened);
  }

  void add_key(const std::string& name, const std::string& key, std::uint32_t scopes) const {
    const auto put = store->put_key(
        {.name = name, .hash = sha256(key), .scopes = scopes, .created_ms = 1, .revoked_ms = 0});
    ASSERT_TRUE(put) << put.error().message;
  }

 private:
  const TemporaryFolder folder_;  // outlives the store

 public:
  std::unique_ptr<store::Store> store;
  ScriptedPublisher publisher;
};

inline fanout::Clocks real_clocks() {
  return {.calendar = [] { return std::chrono::system_clock::now(); },
          .monotonic = [] { return std::chrono::steady_clock::now(); }};
}

}  // namespace carillon::api
