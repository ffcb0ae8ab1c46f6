// Bytes written in one order and read in another: appended to one of many partitions, read back a
// partition at a time. Memory is a block for each partition that has something.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/temporary_file.h"

namespace carillon::store::sqlite {

// For one thread; different partitions may be read by several at a time once nothing is appended.
class PartitionedSpool {
 public:
  PartitionedSpool(const std::string& folder, std::size_t partitions, std::size_t block_bytes)
      : block_bytes_(block_bytes), file_(folder), partitions_(partitions) {}

  std::size_t partitions() const { return partitions_.size(); }
  void append(std::size_t partition, std::string_view bytes) {
    std::string& open = partitions_[partition].open;
    if (open.size() + bytes.size() >= block_bytes_) return append_across(partition, bytes);
    open.append(bytes);
  }
  // Everything that was appended to the partition, in that order.
  void read(std::size_t partition, std::string& out) const;

 private:
  struct Partition {
    std::string open;                   // the block that is not full yet
    std::vector<std::uint32_t> blocks;  // their places in the file
  };
  void append_across(std::size_t partition, std::string_view bytes);

  const std::size_t block_bytes_;
  TemporaryFile file_;
  std::vector<Partition> partitions_;
};

}  // namespace carillon::store::sqlite
