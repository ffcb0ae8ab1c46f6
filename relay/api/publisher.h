// What the API asks of the fan-out engine.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "relay/fanout/engine.h"
#include "relay/fanout/publication.h"
#include "storage/store.h"

namespace carillon::api {

// The engine's calls that the API makes; any thread. See fanout::Engine for what they promise.
class Publisher {
 public:
  virtual ~Publisher() = default;
  virtual void publish(fanout::Publication publication, fanout::Published done) = 0;
  virtual tl::expected<fanout::Plan, fanout::Refusal> plan(const fanout::Publication& publication,
                                                           std::shared_ptr<void> counting) = 0;
  virtual fanout::SteeringResult steer(const store::EventId& event, const fanout::Wish& wish) = 0;
  virtual tl::expected<store::Replayed, fanout::SteeringRefusal> replay(
      const store::EventId& event, const store::ReplayWish& wish,
      std::optional<std::chrono::seconds> ttl) = 0;
  virtual void ask_channel(const std::string& app, push::ChannelRequest request,
                           push::HearChannel hear) = 0;
  virtual fanout::EngineStats stats() const = 0;
};

class EnginePublisher : public Publisher {
 public:
  explicit EnginePublisher(fanout::Engine& engine) : engine_(engine) {}
  void publish(fanout::Publication publication, fanout::Published done) override {
    engine_.publish(std::move(publication), std::move(done));
  }
  tl::expected<fanout::Plan, fanout::Refusal> plan(const fanout::Publication& publication,
                                                   std::shared_ptr<void> counting) override {
    return engine_.plan(publication, std::move(counting));
  }
  fanout::SteeringResult steer(const store::EventId& event, const fanout::Wish& wish) override {
    return engine_.steer(event, wish);
  }
  tl::expected<store::Replayed, fanout::SteeringRefusal> replay(
      const store::EventId& event, const store::ReplayWish& wish,
      std::optional<std::chrono::seconds> ttl) override {
    return engine_.replay(event, wish, ttl);
  }
  void ask_channel(const std::string& app, push::ChannelRequest request,
                   push::HearChannel hear) override {
    engine_.ask_channel(app, std::move(request), std::move(hear));
  }
  fanout::EngineStats stats() const override { return engine_.stats(); }

 private:
  fanout::Engine& engine_;
};

}  // namespace carillon::api
