#include "providers/http2/backoff.h"

#include <algorithm>

namespace carillon::push::http2 {

std::chrono::milliseconds Backoff::on_failure() {
  constexpr unsigned kDoublingsMax = 6;  // 1 s → 64 s, beyond kMax
  static_assert(kSecond * (1 << kDoublingsMax) >= kMax);
  auto step = kFirst;
  if (failures_ > 0) {
    const unsigned doublings = std::min(failures_ - 1, kDoublingsMax);
    step = std::min(kMax, kSecond * (1 << doublings));
  }
  if (failures_ <= kDoublingsMax) ++failures_;
  std::uniform_int_distribution<std::int64_t> jitter(step.count() / 2, step.count());
  return std::chrono::milliseconds(jitter(random_));
}

}  // namespace carillon::push::http2
