// The fan-out engine as the API's publisher.
#pragma once

#include "relay/api/publisher.h"
#include "relay/fanout/engine.h"

namespace carillon::api {

// The engine must outlive it.
class EnginePublisher : public Publisher {
 public:
  explicit EnginePublisher(fanout::Engine& engine) : engine_(engine) {}
  tl::expected<store::AcceptedEvent, fanout::Refusal> publish(
      const fanout::Publication& publication) override {
    return engine_.publish(publication);
  }
  fanout::EngineStats stats() const override { return engine_.stats(); }

 private:
  fanout::Engine& engine_;
};

}  // namespace carillon::api
