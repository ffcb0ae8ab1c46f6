// How many audiences are counted at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>

namespace carillon::api {

// Each holds one of the store's readers for as long as it takes, up to a second for tens of
// millions of devices. What is sent is read by the same readers: most of them stay free.
inline constexpr std::size_t kCountsMax = 2;
// What whoever comes beyond is told.
inline constexpr std::string_view kCountsAreFew = "try again when one of them has ended";

// Any thread.
class CountPlaces {
 public:
  // A place among kCountsMax, given back when its last owner lets go of it, which may be after this
  // object is gone. nullptr: all are taken.
  std::shared_ptr<void> take() const {
    if (taken_->fetch_add(1) >= kCountsMax) {
      --*taken_;
      return nullptr;
    }
    return {taken_.get(), [taken = taken_](void*) { --*taken; }};
  }

 private:
  const std::shared_ptr<std::atomic<std::size_t>> taken_ =
      std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace carillon::api
