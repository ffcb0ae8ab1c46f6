// A publisher's database that follows the outcome feed: it reads on from where it says it stands,
// and loses what it had not written down when it crashes.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "storage/outcome_feed.h"

namespace carillon::simulation {

class Follower {
 public:
  // A page of at most `limit` rows; whether there was any. What the feed must not do is a failure
  // of the running test: go back, skip, change what was told, forget without a word.
  bool read(store::Store& store, std::size_t limit);
  void save() { saved_ = at_; }
  void crash() { at_ = saved_; }

  // Everything that was read, each row once.
  std::uint64_t failures(const store::EventId& event) const;
  std::uint64_t ends(const store::EventId& event, store::OutcomeRow::Kind kind) const;
  bool told_removed(const std::string& device) const { return removed_.contains(device); }
  // Some rows were forgotten before they were read, and the feed said so.
  bool missed() const { return missed_; }

 private:
  std::uint64_t at_ = 0, saved_ = 0;
  std::uint64_t furthest_ = 0;
  std::map<std::uint64_t, store::OutcomeRow> rows_;  // by number
  std::set<std::string> removed_;
  bool missed_ = false;
};

}  // namespace carillon::simulation
