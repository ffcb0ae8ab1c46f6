// 64-bit keys to 32-bit values, several to a key; open addressing, no allocation per entry. A batch
// of a hundred thousand lines asks it three times a line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace carillon::store::sqlite {

class HashMultimap {
 public:
  // Room for so many more, so that a batch grows it once.
  void reserve(std::size_t more) {
    std::size_t slots = std::max(slots_.size(), kFirstSlots);
    while ((count_ + more + 1) * 2 > slots) slots *= 2;
    if (slots > slots_.size()) resize(slots);
  }

  // Key 0 is not allowed.
  void insert(std::uint64_t key, std::uint32_t value) {
    if ((count_ + 1) * 2 > slots_.size()) grow();
    place(key, value);
    ++count_;
  }

  // Calls visit(value) for each value of the key until it answers true; whether one did.
  template <class Visit>
  bool any(std::uint64_t key, Visit visit) const {
    if (slots_.empty()) return false;
    for (std::size_t at = home(key); slots_[at].key != 0; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].key == key && visit(slots_[at].value)) return true;
    }
    return false;
  }

  void clear() {
    if (count_ == 0) return;
    if (slots_.size() > kKeptSlots) {
      slots_ = {};
    } else {
      slots_.assign(slots_.size(), {});
    }
    count_ = 0;
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t value = 0;
  };
  static constexpr std::size_t kFirstSlots = 64;
  static constexpr std::size_t kKeptSlots = 1024;  // more are given back after the request

  // Keys carry a keyed hash in their low half; the multiplication spreads their kinds, too.
  std::size_t home(std::uint64_t key) const {
    return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15) >> 20) & (slots_.size() - 1);
  }
  void place(std::uint64_t key, std::uint32_t value) {
    std::size_t at = home(key);
    while (slots_[at].key != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {key, value};
  }
  void grow() { resize(std::max(slots_.size() * 2, kFirstSlots)); }
  void resize(std::size_t slots) {
    const std::vector<Slot> old = std::move(slots_);
    slots_.assign(slots, {});
    for (const Slot& slot : old) {
      if (slot.key != 0) place(slot.key, slot.value);
    }
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace carillon::store::sqlite
