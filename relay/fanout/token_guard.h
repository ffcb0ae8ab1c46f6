// Whether a provider's words on tokens are believed: one app's way to one platform. When suddenly
// many tokens are called dead, the key, the topic or the environment is wrong far more often than
// the devices are gone. Pure; for one thread.
//
// What is said of a token is held until there are enough answers to judge by. A restart forgets
// what is held, and begins to learn anew: nothing is removed then, and the next send is told the
// same again.
#pragma once

#include <cstdint>
#include <vector>

#include "relay/fanout/policy.h"
#include "storage/store.h"

namespace carillon::fanout {

class TokenGuard {
 public:
  struct Limits {
    // Answers about tokens (accepted, dead, unusable) to judge by.
    std::uint32_t answers_min = 100;
    // More than so many percent of them against their tokens are suspicious. Half of it ends it.
    std::uint32_t percent_max = 20;
  };
  enum class State : std::uint8_t {
    kLearning,    // too few answers since the start, or none that accepted: nothing is removed
    kCalm,        // words are believed
    kSuspicious,  // they are not
  };
  // What becomes of the words that were held.
  struct Ruling {
    std::vector<store::TokenRemoval> remove;
    std::vector<store::TokenRemoval> quarantine;
    std::uint64_t left_alone = 0;  // tokens that are unusable, and perhaps for our own fault
    bool changed = false;          // the state has, with this ruling
  };

  explicit TokenGuard(const Limits& limits) : limits_(limits) {}

  void on_accepted(std::uint64_t devices) { fresh_.answers += devices; }
  void hold(TokenWord word, store::TokenRemoval removal);
  // Once a checkpoint: judges what came since the last ruling together with a little of what was
  // before. Empty while there are too few answers.
  Ruling judge();

  // As it was at the start.
  void forget();

  State state() const { return state_; }
  // Of the latest ruling's answers, in percent.
  std::uint32_t percent() const { return percent_; }
  std::size_t held() const { return held_.size(); }

 private:
  struct Answers {
    std::uint64_t answers = 0;
    std::uint64_t against = 0;  // of them, those that were against their token
  };
  struct Held {
    TokenWord word = TokenWord::kNone;
    store::TokenRemoval removal;
  };

  const Limits limits_;
  State state_ = State::kLearning;
  Answers fresh_;   // since the latest ruling
  Answers recent_;  // before it, answers_min at most
  bool ever_accepted_ = false;
  std::uint32_t percent_ = 0;
  std::vector<Held> held_;
};

}  // namespace carillon::fanout
