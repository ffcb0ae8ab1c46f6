#include "relay/fanout/token_guard.h"

#include <algorithm>
#include <utility>

namespace carillon::fanout {

void TokenGuard::hold(TokenWord word, store::TokenRemoval removal) {
  ++fresh_.answers;
  ++fresh_.against;
  held_.push_back({.word = word, .removal = std::move(removal)});
}

TokenGuard::Ruling TokenGuard::judge() {
  Ruling ruling;
  ever_accepted_ = ever_accepted_ || fresh_.answers > fresh_.against;
  const std::uint64_t answers = recent_.answers + fresh_.answers;
  const std::uint64_t against = recent_.against + fresh_.against;
  if (fresh_.answers == 0 || answers < limits_.answers_min) return ruling;

  percent_ = static_cast<std::uint32_t>(against * 100 / answers);
  // In whole numbers: exactly the limit is not above it.
  const std::uint64_t share = against * 100;
  const std::uint64_t limit = answers * limits_.percent_max;
  const State before = state_;
  if (share > limit || !ever_accepted_) {
    state_ = State::kSuspicious;
  } else if (state_ != State::kSuspicious || share * 2 <= limit) {
    state_ = State::kCalm;
  }
  ruling.changed = state_ != before;
  for (Held& held : held_) {
    if (state_ == State::kCalm) {
      ruling.remove.push_back(std::move(held.removal));
    } else if (held.word == TokenWord::kDead) {
      ruling.quarantine.push_back(std::move(held.removal));
    } else {
      ++ruling.left_alone;
    }
  }
  held_.clear();
  // As many as a ruling needs stay for the next one, so that a few answers are not judged alone.
  const std::uint64_t kept = std::min<std::uint64_t>(answers, limits_.answers_min);
  recent_ = {.answers = kept, .against = (against * kept + answers / 2) / answers};
  fresh_ = {};
  return ruling;
}

void TokenGuard::forget() {
  state_ = State::kLearning;
  fresh_ = recent_ = {};
  ever_accepted_ = false;
  percent_ = 0;
  held_.clear();
}

}  // namespace carillon::fanout
