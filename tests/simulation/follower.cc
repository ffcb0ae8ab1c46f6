#include "tests/simulation/follower.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace carillon::simulation {

bool Follower::read(store::Store& store, std::size_t limit) {
  const auto page = store.outcomes(at_, limit);
  EXPECT_TRUE(page) << page.error().message;
  if (!page) return false;
  if (page->forgotten_through > at_) {
    EXPECT_TRUE(page->rows.empty()) << "what was forgotten is said before anything else";
    missed_ = true;
    at_ = page->forgotten_through;
    furthest_ = std::max(furthest_, at_);
    return true;
  }
  EXPECT_LE(page->rows.size(), limit);
  for (const store::OutcomeRow& row : page->rows) {
    EXPECT_GT(row.number, at_) << "out of order";
    at_ = row.number;
    const auto known = rows_.find(row.number);
    if (known != rows_.end()) {
      EXPECT_EQ(known->second.kind, row.kind) << "outcome " << row.number << " is another now";
      EXPECT_EQ(known->second.event, row.event) << "outcome " << row.number;
      EXPECT_EQ(known->second.reason, row.reason) << "outcome " << row.number;
      continue;
    }
    EXPECT_GT(row.number, furthest_) << "an outcome came behind one that was told";
    furthest_ = std::max(furthest_, row.number);
    rows_.emplace(row.number, row);
    if (row.kind == store::OutcomeRow::Kind::kTokenRemoved) removed_.insert(row.device);
  }
  return !page->rows.empty();
}

std::uint64_t Follower::failures(const store::EventId& event) const {
  return ends(event, store::OutcomeRow::Kind::kFailed);
}

std::uint64_t Follower::ends(const store::EventId& event, store::OutcomeRow::Kind kind) const {
  return static_cast<std::uint64_t>(std::count_if(rows_.begin(), rows_.end(), [&](const auto& row) {
    return row.second.kind == kind && row.second.event == event;
  }));
}

}  // namespace carillon::simulation
