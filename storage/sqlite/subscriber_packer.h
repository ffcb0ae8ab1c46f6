// The second half of a bulk load, in memory a partition at a time: lines of one subscriber come
// together, the subscriber gets a number and its row, its devices their places, and what follows
// from them (names, members) goes on to be sorted.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "storage/sqlite/chunk_packer.h"
#include "storage/sqlite/hash_chunk.h"
#include "storage/sqlite/hot_chunk.h"
#include "storage/sqlite/line_record.h"
#include "storage/sqlite/member_runs.h"
#include "storage/sqlite/partitioned_spool.h"
#include "storage/sqlite/subscriber.h"
#include "storage/sqlite/trait_chunk.h"

namespace carillon::store::sqlite {

class SubscriberPacker {
 public:
  static constexpr std::size_t kHashPartitions = 256;  // of each kind of name

  // Numbers subscribers from `first` on. `lines`: how many there are in all; `deferred`: one bit
  // for each, those that are not to be taken.
  SubscriberPacker(const std::string& folder, std::uint64_t first, std::uint64_t lines,
                   std::vector<bool> deferred);

  // Takes the records of partition `partition`, each once, partitions ascending; appends rows of
  // `sub`. A line that cannot be told apart from what earlier lines did is deferred, with all later
  // ones of its subscriber.
  void pack(std::size_t partition, const std::string& records, ChunkRows& out);

  // What came of it, once all partitions were packed.
  void hot_rows(std::size_t partition, ChunkRows& out) const { kept_rows(hot_, partition, out); }
  void trait_rows(std::size_t partition, ChunkRows& out) const {
    kept_rows(traits_, partition, out);
  }
  // Entries of one kind whose hashes begin with the byte `partition`, sorted.
  void names(NameKind kind, std::size_t partition, std::vector<HashFormat::Entry>& out) const;
  MemberRuns& members() { return members_; }
  MemberRuns& unusual() { return unusual_; }  // by unusual_group
  // Deferred records; partitions ascend by line, inside one they stand in any order.
  const PartitionedSpool& deferred() const { return deferred_lines_; }

  std::uint64_t next_subscriber() const { return next_; }
  std::uint64_t subscribers() const { return next_ - first_; }
  std::uint64_t devices() const { return devices_; }
  struct TopicCounts {
    std::uint32_t subscribers = 0;
    std::array<std::uint32_t, kPlatforms> devices{};
  };
  // By number of the topic; may end before the last one.
  const std::vector<TopicCounts>& topics() const { return topics_; }
  struct AppCounts {
    std::uint8_t usual = 0;
    std::uint64_t subscribers = 0;
    PlatformCounts devices{};
  };
  // By number of the app. Before anything is packed: the usual platform of apps that have one.
  std::vector<AppCounts>& apps() { return apps_; }

 private:
  using Place = std::pair<std::uint64_t, std::size_t>;  // group, offset
  void pack_group(const std::string& records, const Place* begin, const Place* end, ChunkRows& out);
  bool take(const LineRecord& record);
  void defer(const std::string& records, std::size_t begin, std::size_t end, std::uint32_t index);
  void write_subscriber(ChunkRows& out);
  void count_app(std::uint32_t id, const std::array<std::uint32_t, kPlatforms>& platforms);
  static void keep_rows(std::size_t partition, ChunkRows& rows, PartitionedSpool& spool);
  static void kept_rows(const PartitionedSpool& spool, std::size_t partition, ChunkRows& out);
  void note_name(NameKind kind, std::uint32_t hash, std::uint32_t subscriber);

  const std::uint64_t first_, lines_;
  const std::vector<bool> skip_;
  std::uint64_t next_, devices_ = 0;
  PartitionedSpool hot_, traits_, names_, deferred_lines_;
  MemberRuns members_, unusual_;
  ChunkPacker<HotFormat> hot_chunks_;
  ChunkPacker<TraitFormat> trait_chunks_;
  ChunkRows hot_rows_, trait_rows_;
  std::vector<TopicCounts> topics_;
  std::vector<AppCounts> apps_;

  // Reused from partition to partition, and from subscriber to subscriber.
  std::vector<Place> places_;
  Subscriber subscriber_;
  std::vector<LineRecord> taken_;
  std::vector<std::uint32_t> heard_;
  std::string encoded_;
};

}  // namespace carillon::store::sqlite
