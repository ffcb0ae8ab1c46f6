// What would become of an event if it was published: whom it would go to, how large it is, how long
// it takes, and what FCM says of it. Nothing is stored and nobody is sent to.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tl/expected.hpp>
#include <vector>

#include "providers/provider.h"
#include "relay/fanout/publication.h"
#include "relay/fanout/rate_governor.h"
#include "storage/store.h"

namespace carillon::fanout {

// How long a plan waits for a platform's word; without it the plan says so.
inline constexpr std::chrono::milliseconds kPlanWordMax{5'000};
// Plans that wait for one at once: each keeps a thread of its caller.
inline constexpr std::size_t kPlansAskingMax = 2;

// One platform's part of a plan.
struct PlannedSend {
  push::Platform platform = push::Platform::kApns;
  std::uint64_t devices = 0;
  // Of a message's body as a device is sent it, without its token; none: the app has no provider
  // there, so its devices are suppressed.
  std::optional<std::size_t> body_bytes;
  GovernedPace pace;  // how fast the platform is used, other events not counted
  std::optional<push::PlatformWord> word;  // FCM's
};

struct Plan {
  std::uint64_t subscribers = 0;
  std::vector<PlannedSend> sends;  // platforms with a provider or a device
};

class Planner {
 public:
  // A way to a platform, with the message as it was rendered for it.
  struct Rendered {
    push::Platform platform = push::Platform::kApns;
    push::Provider* provider = nullptr;  // null: none
    std::shared_ptr<const push::RenderedMessage> message;
    GovernedPace pace;
  };

  explicit Planner(store::Store& store, std::chrono::milliseconds word_max = kPlanWordMax)
      : store_(store), word_max_(word_max) {}

  // Any thread; counts the audience, which may take as long as reading it, and waits for
  // kPlanWordMax at most. `counting` is let go of in between: whose place it is counts no longer.
  tl::expected<Plan, Refusal> plan(const Publication& publication,
                                   const std::vector<Rendered>& rendered,
                                   std::shared_ptr<void> counting = nullptr);

 private:
  std::string some_token(const Publication& publication) const;
  push::PlatformWord ask(const Rendered& rendered, const Publication& publication);

  store::Store& store_;
  const std::chrono::milliseconds word_max_;
  std::atomic<std::size_t> asking_{0};
};

}  // namespace carillon::fanout
