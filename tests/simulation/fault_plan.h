// What goes wrong in one simulated run: drawn from its seed, most of it not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

namespace carillon::simulation {

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t count) {
  return static_cast<std::size_t>(random() % count);
}
inline bool happens(Random& random, unsigned of_a_thousand) {
  return below(random, 1'000) < of_a_thousand;
}

// Each of a thousand answers, or steps.
struct FaultPlan {
  unsigned throttled_device = 0, throttled_project = 0, throttled_nobody_knows = 0;
  unsigned unavailable = 0, unavailable_told = 0;
  unsigned reset = 0;    // sent, and nobody knows
  unsigned go_away = 0;  // certainly not sent
  unsigned refused = 0, credential_refused = 0;
  unsigned old_news = 0;     // a dead word from before the token was registered again
  unsigned silence = 0;      // answered much later
  unsigned wrong_start = 0;  // a start with the wrong key: everything is spoken against
  unsigned slow_disk = 0, failing_disk = 0;
  unsigned churn = 0, crash = 0;
  unsigned charge = 0;  // somebody wishes something of an event
  unsigned follow = 0, follower_crash = 0;
  unsigned clock = 0;                          // set by an hour
  unsigned duplicate = 0, late_duplicate = 0;  // answered once more, at once or later
  unsigned foreign = 0;                        // an answer to nothing
  unsigned unknown_status = 0;
  std::size_t window = 100;

  static FaultPlan drawn(Random& random) {
    const auto rate = [&](unsigned most) {
      return happens(random, 500) ? 0u : static_cast<unsigned>(below(random, most + 1));
    };
    FaultPlan plan;
    plan.throttled_device = rate(150);
    plan.throttled_project = rate(20);
    plan.throttled_nobody_knows = rate(20);
    plan.unavailable = rate(300);
    plan.unavailable_told = rate(150);
    plan.reset = rate(200);
    plan.go_away = rate(300);
    plan.refused = rate(50);
    plan.credential_refused = rate(10);
    plan.old_news = rate(500);
    plan.silence = rate(200);
    plan.wrong_start = rate(400);
    plan.slow_disk = rate(700);
    plan.failing_disk = rate(200);
    plan.churn = rate(200);
    plan.crash = rate(40);
    plan.charge = rate(200);
    plan.follow = rate(200);
    plan.follower_crash = rate(500);
    plan.clock = rate(20);
    // A provider's old word is about registrations by the provider's clock: ours being set back
    // makes a later one look older, and nothing here can know.
    if (plan.clock > 0) plan.old_news = 0;
    plan.window = 1 + below(random, 200);
    return plan;
  }

  // From a source of its own: what changes nothing leaves all the rest of a run as it was.
  void draw_strange_answers(Random& random) {
    for (unsigned* rate : {&duplicate, &late_duplicate, &foreign, &unknown_status}) {
      *rate = happens(random, 500) ? 0u : static_cast<unsigned>(below(random, 201));
    }
  }
};

}  // namespace carillon::simulation
