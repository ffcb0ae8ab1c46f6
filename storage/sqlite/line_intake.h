// The first half of a bulk load: lines are checked, hashed and spooled, lines of one subscriber
// into one partition; names of apps, topics, locales and time zones get their numbers. What is a
// duplicate of an earlier line's device or token is known at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/audience_tables.h"
#include "storage/sqlite/line_record.h"
#include "storage/sqlite/partitioned_spool.h"
#include "storage/sqlite/text_dictionary.h"
#include "storage/sqlite/trait_encoder.h"

namespace carillon::store::sqlite {

class LineIntake {
 public:
  static constexpr std::size_t kPartitions = 256;

  LineIntake(Database& database, const std::string& folder);

  // The line is spooled, or why it is refused. `number` is the caller's name of it.
  Result<Registered> add(const DeviceRegistration& line, std::uint64_t number, std::int64_t now_ms);

  std::uint64_t lines() const { return lines_; }
  std::uint64_t topics_created() const { return topics_created_; }
  void read(std::size_t partition, std::string& out) const { spool_.read(partition, out); }
  // One bit for each line: its device or its token stood in an earlier one. Once.
  std::vector<bool> duplicates();

 private:
  std::uint32_t app_id(std::string_view name);
  std::uint32_t topic_id(std::uint32_t app, std::string_view name);
  void note_key(std::uint64_t hash, std::uint32_t index);

  AudienceTables tables_;
  Statement insert_app_, insert_topic_;
  TextDictionary texts_;
  TraitEncoder traits_;
  PartitionedSpool spool_;
  std::optional<PartitionedSpool> keys_;  // hash, line: of devices and of tokens
  std::uint64_t lines_ = 0, topics_created_ = 0;
  TextNumbers apps_, topics_;
  std::string topic_key_, token_, extras_, record_;
};

}  // namespace carillon::store::sqlite
