// A provider whose answers the test decides. For one thread unless said otherwise.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "providers/provider.h"

namespace carillon::fanout {

class ScriptedProvider : public push::Provider {
 public:
  struct Sent {
    std::uint64_t tag = 0;
    std::string token;
    std::array<std::uint8_t, 16> id{};
    std::string body;
  };

  explicit ScriptedProvider(push::Platform platform = push::Platform::kApns)
      : platform_(platform) {}

  push::Platform platform() const noexcept override { return platform_; }
  tl::expected<push::RenderedMessage, push::RenderError> render(
      const push::Notification& notification,
      std::chrono::system_clock::time_point) const override {
    ++times_rendered;
    if (notification.title == "unrenderable") {
      return tl::unexpected(push::RenderError{"/notification/title", "will not do"});
    }
    return push::RenderedMessage{.body = notification.title};
  }
  void submit(push::PushBatch batch) override {
    ++batches;
    urgent_batches += batch.urgent ? 1 : 0;
    doubtful_devices += batch.doubtful ? batch.targets.size() : 0;
    for (const push::PushTarget& target : batch.targets) {
      open.push_back(
          {target.tag, std::string(batch.token(target)), target.id, batch.message->body});
      ++times_sent[open.back().token];
      bodies_sent[open.back().token] = batch.message->body;
      identities[open.back().token].insert(target.id);
    }
  }
  std::size_t window() const noexcept override { return window_size; }
  push::ProviderHealth health() const override { return {}; }
  void close(std::chrono::milliseconds) override {}

  std::size_t window_size = 100;
  std::deque<Sent> open;  // submitted, not answered
  std::map<std::string, int> times_sent;
  std::map<std::string, std::string> bodies_sent;  // by token, the latest
  int batches = 0;
  int urgent_batches = 0;
  std::size_t doubtful_devices = 0;
  mutable std::atomic<int> times_rendered{0};  // by publishers' threads, too
  std::map<std::string, std::set<std::array<std::uint8_t, 16>>> identities;

 private:
  push::Platform platform_;
};

}  // namespace carillon::fanout
