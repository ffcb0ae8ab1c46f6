// One relay's intake, dispatcher, policy, recorder and store in one process: time is moved by hand,
// a seed decides everything else. A crash forgets what is in memory, and opens the file as it was.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "relay/fanout/dispatcher.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/simulation/fault_plan.h"
#include "tests/simulation/follower.h"
#include "tests/simulation/phones.h"
#include "tests/temporary_folder.h"

namespace carillon::simulation {

// A provider that keeps what it is given until the world answers for it.
class PatientProvider : public push::Provider {
 public:
  struct Sent {
    std::uint64_t tag = 0;
    std::size_t phone = 0;
    std::uint32_t version = 0;
    std::size_t event = 0;
    bool dead = false;  // when it was sent
    std::int64_t dead_since_ms = -1;
    bool silent = false;
  };
  using OnSent =
      std::function<Sent(const push::PushTarget&, std::string_view token, std::size_t event)>;

  PatientProvider(push::Platform platform, std::size_t window, OnSent on_sent)
      : platform_(platform), window_(window), on_sent_(std::move(on_sent)) {}

  push::Platform platform() const noexcept override { return platform_; }
  tl::expected<push::RenderedMessage, push::RenderError> render(
      const push::Notification& notification,
      std::chrono::system_clock::time_point) const override {
    return push::RenderedMessage{.body = notification.title};
  }
  void submit(push::PushBatch batch) override {
    const std::size_t event = std::stoul(batch.message->body);
    for (const push::PushTarget& target : batch.targets) {
      open.push_back(on_sent_(target, batch.token(target), event));
    }
  }
  std::size_t window() const noexcept override { return window_; }
  push::ProviderHealth health() const override { return {}; }
  void close(std::chrono::milliseconds) override {}

  std::deque<Sent> open;

 private:
  push::Platform platform_;
  std::size_t window_;
  OnSent on_sent_;
};

// Rows of the outcome feed that some worlds keep; some 300 are there before any is forgotten.
inline constexpr std::uint64_t kFewOutcomes = 40;

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();

  // All of it: faults, then a calm end. What is found wrong is a failure of the running test.
  void run();

 private:
  static constexpr std::size_t kLanes = 2;

  // The relay.
  void open_store();
  void start();
  void turn();
  void pass(std::int64_t ms);
  void record_pending(bool crash_when_durable);
  void crash();
  void copy_file_to_next_folder();
  void to_next_folder();

  // What happens to it.
  void steps(std::size_t count);
  void step();
  void answer_some(bool calm);
  push::Verdict verdict_on(const PatientProvider::Sent& sent, bool calm);
  void answer_strangely(std::size_t lane, std::vector<push::Verdict>& verdicts);
  void remember_answer(std::size_t lane, const push::Verdict& verdict);
  void publish();
  void accept(std::size_t number);
  void churn();
  void enrol(std::size_t phone, bool new_token);
  void leave_running_events(std::size_t phone);
  void follow();
  void set_clock();
  void settle_down();

  // Somebody in charge.
  void take_charge();
  void steer(std::size_t number, const fanout::Wish& wish);
  void on_steered(std::size_t number, const fanout::SteeringResult& result);
  void recall_charges();
  void replay(std::size_t number);
  void let_everything_go();

  // What has to be true.
  void check_counters();
  void check_phones();
  void check_end();
  void check_feed();
  void check_charge(std::size_t number, std::size_t phone);
  void note_quarantine();
  PatientProvider::Sent on_sent(const push::PushTarget& target, std::string_view token,
                                std::size_t event);

  void on_accepted(const PatientProvider::Sent& sent);

  std::int64_t now_ms() const { return now_.calendar_ms; }

  Random random_;
  FaultPlan plan_;
  Random strangeness_;
  const TemporaryFolder base_{TemporaryFolder::Speed::kFast};
  int folder_ = 0;
  std::unique_ptr<store::Store> store_;
  config::Fanout limits_;
  fanout::Now now_{.calendar_ms = 1'700'000'000'000, .monotonic_ms = 1'000};
  std::array<fanout::LaneTotals, kLanes> totals_;
  std::array<std::unique_ptr<PatientProvider>, kLanes> providers_;
  std::unique_ptr<fanout::Dispatcher> dispatcher_;
  std::optional<std::vector<store::Checkpoint>> pending_record_;
  std::int64_t wish_ms_ = 0;
  bool wrong_key_ = false;
  bool only_unusable_ = false;  // how the wrong key shows

  std::vector<Phone> phones_;
  std::vector<Event> events_;
  Follower follower_;
  std::uint64_t outcome_rows_max_ = 1'000'000;
  int crashes_ = 0;
  int clock_steps_ = 0;
  bool recalls_another_clock_ = false;  // what is on the disk was due by a clock that was set since
  std::uint64_t repeats_ = 0;
  // Since the relay's start, by lane.
  std::array<std::vector<push::Verdict>, kLanes> answered_;
  std::uint64_t strange_answers_ = 0;
};

}  // namespace carillon::simulation
