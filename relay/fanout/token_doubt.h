// Whether a send's tokens are refused so often that it should not share connections with others.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace carillon::fanout {

// Of one job. Counts only: one addition for each answer. Apple slows and closes connections that
// bring many tokens which are none; a list from the wrong environment, or a very old one, would do
// that to every notification beside it.
//
// Judged at every kAnswers answers about tokens, the earlier ones counting half as much each time;
// twice as many make it doubtful as keep it so, so that it does not go to and fro.
class TokenDoubt {
 public:
  static constexpr std::uint32_t kAnswers = 100;
  static constexpr std::uint32_t kDoubtfulPercent = 20;
  static constexpr std::uint32_t kSoundPercent = 10;

  // An answer: the token was taken, or refused as none of this app.
  void on_answers(std::uint32_t taken, std::uint32_t refused) noexcept {
    taken_ += taken;
    refused_ += refused;
    fresh_ += taken + refused;
    if (fresh_ >= kAnswers) judge();
  }
  bool is_doubtful() const noexcept { return doubtful_; }

  // What may be handed out next, of `wanted` devices, with so many `unanswered`: a doubtful job
  // gets by with what one connection takes, as what waits for it would take the place of others'
  // notifications in the provider's window.
  std::size_t room(std::size_t wanted, std::size_t window,
                   std::uint64_t unanswered) const noexcept {
    if (!doubtful_) return wanted;
    const std::uint64_t most = std::max(window / kPartOfWindow, kLeast);
    return most > unanswered ? std::min<std::uint64_t>(wanted, most - unanswered) : 0;
  }
  static constexpr std::size_t kPartOfWindow = 4;  // as many connections are the default
  static constexpr std::size_t kLeast = 64;        // devices

 private:
  void judge() noexcept {
    const std::uint64_t hundred = std::uint64_t{100} * refused_;
    const std::uint64_t all = std::uint64_t{taken_} + refused_;
    doubtful_ = hundred >= all * (doubtful_ ? kSoundPercent : kDoubtfulPercent);
    taken_ /= 2;
    refused_ /= 2;
    fresh_ = 0;
  }

  std::uint32_t taken_ = 0;
  std::uint32_t refused_ = 0;
  std::uint32_t fresh_ = 0;  // answers since it was judged
  bool doubtful_ = false;
};

}  // namespace carillon::fanout
