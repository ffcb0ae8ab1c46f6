// The outcome feed's table: rows are added inside the writer's transaction, kept up to a number and
// an age, and go with the person that they name.
#pragma once

#include <cstdint>
#include <string_view>

#include "storage/outcome_feed.h"
#include "storage/sqlite/audience_tables.h"

namespace carillon::store::sqlite {

class OutcomeLog {
 public:
  explicit OutcomeLog(Database& database);

  // 0: no rows are written.
  void keep(std::uint64_t rows_max) { rows_max_ = rows_max; }

  struct Removed {
    std::uint32_t app = 0;
    Platform platform = Platform::kApns;
    std::string_view device, subscriber;  // subscriber: empty if anonymous
    std::string_view reason;
    std::int64_t dead_since_ms = 0;
    std::int64_t at_ms = 0;
  };
  void token_removed(const Removed& removed);
  void failed(std::int64_t event, Platform platform, const Failure& failure);
  // `untold`: its failures that were only counted.
  void ended(std::int64_t event, EventState state, std::uint64_t untold, std::int64_t at_ms);

  // Rows that name the device, or any device of the subscriber; their number.
  std::uint64_t erase_device(std::uint32_t app, std::string_view device);
  std::uint64_t erase_subscriber(std::uint32_t app, std::string_view subscriber);

  // Those from before `before_ms`, the oldest kOutcomesForgottenMax at most; their number.
  std::uint64_t forget(std::int64_t before_ms);

  // For a reader's connection, too.
  OutcomePage read(AudienceTables& audience, std::uint64_t after, std::size_t limit);

 private:
  void added();
  void forgot_through(std::uint64_t number);

  Database& database_;
  Statement insert_removed_, insert_failed_, insert_ended_, erase_device_, erase_subscriber_,
      forget_rows_, last_before_, forgotten_, set_forgotten_, page_;
  std::uint64_t rows_max_ = 0;
};

}  // namespace carillon::store::sqlite
