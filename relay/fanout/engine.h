// The fan-out engine: takes events in, hands one notification per device to the providers, and
// records what became of each.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "providers/provider.h"
#include "relay/config/fanout_limits.h"
#include "relay/fanout/plan.h"
#include "relay/fanout/provider_succession.h"
#include "relay/fanout/publication.h"
#include "relay/fanout/rate_governor.h"
#include "relay/fanout/steering.h"
#include "relay/fanout/token_guard.h"
#include "storage/store.h"

namespace carillon::fanout {

// An event published with a TTL of 0 is worth sending for this long.
inline constexpr std::int64_t kNowOrNeverMs = 60'000;
// Jobs that the engine holds, running and waiting; beyond, publishing is refused.
inline constexpr std::uint64_t kJobsWaitingMax = 100'000;

// The world the engine lives in: tests move time by hand.
struct Clocks {
  std::function<std::chrono::system_clock::time_point()> calendar;   // what devices and people see
  std::function<std::chrono::steady_clock::time_point()> monotonic;  // what waits are measured with
  static Clocks system();
};

// Running totals of one app and platform since the start.
struct LaneStats {
  std::string app;
  push::Platform platform = push::Platform::kApns;
  std::uint64_t submitted = 0;  // handed to the provider, repeats and retries included
  std::uint64_t accepted = 0, rejected = 0, expired = 0, dead_lettered = 0, suppressed = 0,
                cancelled = 0;
  std::uint64_t retried = 0;  // recorded for a later attempt
  // Asked of the store after a provider's word on the token: to go, to wait for a decision.
  std::uint64_t tokens_removed = 0, tokens_quarantined = 0;
  std::uint64_t tokens_left_alone = 0;   // of no use, and perhaps for our own fault
  std::uint64_t answers_unexpected = 0;  // nothing waited for them: they changed nothing
  TokenGuard::State guard = TokenGuard::State::kLearning;
  std::uint32_t dead_percent = 0;  // of the answers that the guard judged last
  GovernedPace pace;
  push::ProviderHealth provider;
  // Why the credential that is there for it is not used, or that the one in use is refused; empty
  // if neither.
  std::string credential_alarm;
  std::uint64_t credentials_replaced = 0;
};

struct EngineStats {
  std::vector<LaneStats> lanes;
  std::uint64_t events_accepted = 0;
  std::uint64_t jobs_running = 0;
  std::uint64_t handed_out = 0;  // handed out and not yet covered by a durable checkpoint
  std::uint64_t checkpoints = 0;
  std::string store_error;  // why the latest checkpoint failed; empty if it did not
};

// What became of a publication.
using Published = std::function<void(tl::expected<store::AcceptedEvent, Refusal>)>;

class Engine {
 public:
  Engine(store::Store& store, const config::Fanout& limits, Clocks clocks, std::uint64_t seed);
  ~Engine();  // as drain with no grace

  // Before `start`. The first provider of an app reports to the sink that the engine has for it.
  push::VerdictSink& sink(const std::string& app, push::Platform platform);
  void add_app(const std::string& app);
  void add_provider(const std::string& app, std::unique_ptr<push::Provider> provider,
                    const RateGovernor::Limits& rate = {});

  // While it runs, any thread but a provider's: from the next batch on `provider` is used, which
  // was made to report to `seat`; the one before ends what it has. Pauses that a refused credential
  // had brought end, and its words against tokens are forgotten. The app has a provider there
  // already.
  std::shared_ptr<ProviderSeat> new_seat(const std::string& app, push::Platform platform);
  void replace_provider(const std::string& app, std::unique_ptr<push::Provider> provider,
                        std::shared_ptr<ProviderSeat> seat);
  // Closes providers that were replaced and have nothing left to do; how many still have.
  std::size_t close_replaced();
  // Shown in the statistics until the next one; empty: none.
  void set_credential_alarm(const std::string& app, push::Platform platform, std::string alarm);

  // Takes up every unfinished job and runs from then on. Fails if the store cannot be read.
  store::Result<void> start();

  // Any thread; waits for nothing. `done` is called once: when the event is durable or the store
  // has refused it, on the store's writer, which it must not hold up; or before this returns, with
  // a refusal for which nobody had to be asked.
  void publish(Publication publication, Published done);
  // Waits for it.
  tl::expected<store::AcceptedEvent, Refusal> publish(const Publication& publication);

  // What would become of it. Any thread; waits, and lets go of `counting`, as Planner::plan says.
  // An idempotency key is not looked at.
  tl::expected<Plan, Refusal> plan(const Publication& publication,
                                   std::shared_ptr<void> counting = nullptr);

  // Asks the app's provider for APNs, as Provider::ask_channel does; kUnsupported if there is none.
  // Any thread. Nothing is stored.
  void ask_channel(const std::string& app, push::ChannelRequest request, push::HearChannel hear);

  // Pauses, resumes, cancels an event or limits its rate. Returns once that is durable; nothing of
  // what is to stop is handed out from some moment before that on. Any thread; after
  // kSteeringWaitMs it gives up, and it is not known whether it came about: ask again, it does no
  // harm.
  SteeringResult steer(const store::EventId& event, const Wish& wish);

  // Recorded failures of a completed event become pending again and go out. `ttl`: what the event
  // is worth from now on; none: as long as it was. Returns once that is durable. Any thread.
  tl::expected<store::Replayed, SteeringRefusal> replay(const store::EventId& event,
                                                        store::ReplayWish wish,
                                                        std::optional<std::chrono::seconds> ttl);

  // No new work; waits for answers up to `grace`, settles the rest, writes the last checkpoint. If
  // the store refuses that, it is asked again until `grace` is over. Returns how many notifications
  // could not be recorded then: the next start sends them again.
  std::uint64_t drain(std::chrono::milliseconds grace);

  EngineStats stats() const;  // any thread

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace carillon::fanout
