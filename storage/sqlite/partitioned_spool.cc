#include "storage/sqlite/partitioned_spool.h"

#include <algorithm>

namespace carillon::store::sqlite {

void PartitionedSpool::append_across(std::size_t partition, std::string_view bytes) {
  Partition& to = partitions_[partition];
  to.open.reserve(block_bytes_);
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, block_bytes_ - to.open.size());
    to.open.append(part);
    bytes.remove_prefix(part.size());
    if (to.open.size() < block_bytes_) return;
    to.blocks.push_back(static_cast<std::uint32_t>(file_.size() / block_bytes_));
    file_.append(to.open);
    to.open.clear();
  }
}

void PartitionedSpool::read(std::size_t partition, std::string& out) const {
  const Partition& from = partitions_[partition];
  out.resize(from.blocks.size() * block_bytes_);
  for (std::size_t i = 0; i < from.blocks.size(); ++i) {
    file_.read(std::uint64_t{from.blocks[i]} * block_bytes_, out.data() + i * block_bytes_,
               block_bytes_);
  }
  out.append(from.open);
}

}  // namespace carillon::store::sqlite
