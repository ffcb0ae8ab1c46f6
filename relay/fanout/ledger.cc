#include "relay/fanout/ledger.h"

#include <cassert>
#include <utility>

namespace carillon::fanout {

Ledger::Ledger(store::DevicePosition cursor, std::vector<store::DevicePosition> beyond,
               std::uint64_t first)
    : base_(first), cursor_(cursor), through_(cursor), recorded_(std::move(beyond)) {}

bool Ledger::append(store::DevicePosition position, std::uint32_t read_ms) {
  assert(position > through_);
  through_ = position;
  skip_recorded_before(position);
  const bool settled = recorded_at_ < recorded_.size() && recorded_[recorded_at_] == position;
  if (settled) ++recorded_at_;
  entries_.push_back({.position = position, .read_ms = read_ms, .settled = settled});
  if (settled) {
    advance();
  } else {
    ++open_;
  }
  return !settled;
}

void Ledger::read_through(store::DevicePosition through) {
  assert(through >= through_);
  through_ = through;
  skip_recorded_before(through + 1);
  if (head_ == entries_.size()) cursor_ = through_;
}

const Ledger::Entry* Ledger::open_entry(std::uint64_t sequence) const {
  if (sequence < base_ || sequence >= next_sequence()) return nullptr;
  const Entry& entry = entries_[head_ + (sequence - base_)];
  return entry.settled ? nullptr : &entry;
}

void Ledger::settle(std::uint64_t sequence) {
  assert(open_entry(sequence) != nullptr);
  entries_[head_ + (sequence - base_)].settled = true;
  --open_;
  if (sequence == base_) advance();
}

std::optional<Ledger::Parked> Ledger::park_oldest() {
  if (open_ == 0) return std::nullopt;
  // The prefix always stops at an open device, so the oldest open one is the first.
  Parked parked{.sequence = base_, .entry = entries_[head_]};
  settle(base_);
  return parked;
}

void Ledger::beyond(std::vector<store::DevicePosition>& out) const {
  out.clear();
  for (std::size_t i = head_; i < entries_.size(); ++i) {
    if (entries_[i].settled) out.push_back(entries_[i].position);
  }
  // What an earlier run recorded and this one has not read again yet.
  out.insert(out.end(), recorded_.begin() + static_cast<std::ptrdiff_t>(recorded_at_),
             recorded_.end());
}

// A recorded device that is not read again has left the audience since; its outcome stands.
void Ledger::skip_recorded_before(store::DevicePosition position) {
  while (recorded_at_ < recorded_.size() && recorded_[recorded_at_] < position) ++recorded_at_;
}

void Ledger::advance() {
  const std::size_t before = head_;
  while (head_ < entries_.size() && entries_[head_].settled) ++head_;
  if (head_ == before) return;
  base_ += head_ - before;
  if (head_ == entries_.size()) {
    cursor_ = through_;
    entries_.clear();
    head_ = 0;
    return;
  }
  cursor_ = entries_[head_ - 1].position;
  if (head_ > entries_.size() / 2) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
}

}  // namespace carillon::fanout
