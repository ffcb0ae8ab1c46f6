// The lines of one import transaction, with the bytes that their views point to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "relay/import/importer.h"
#include "storage/store.h"

namespace carillon::import {

// Cleared and filled again, it allocates only while it grows. For one thread at a time.
class RegistrationBatch {
 public:
  // So many lines will not make it grow; a batch that grew by doubling would hold twice what it
  // needs.
  void reserve(std::size_t lines);
  // Copies what the views point to. `number` is the line's; lines are added in ascending order.
  void add(std::uint64_t number, const store::DeviceRegistration& device);
  void add_bad(std::uint64_t number, std::string reason);
  void clear();

  std::size_t lines() const { return devices_.size() + bad_.size(); }
  std::size_t bytes() const { return bytes_; }
  // Points the devices to their topics and attributes; called when no more lines are added.
  void seal();
  // Valid after `seal`, until `clear`. devices()[i] came from line numbers()[i].
  std::span<const store::DeviceRegistration> devices() const { return devices_; }
  std::span<const std::uint64_t> numbers() const { return numbers_; }
  std::span<const BadLine> bad() const { return bad_; }

 private:
  std::string_view keep(std::string_view text);
  void keep_all(std::span<const std::string_view> texts);
  void keep_attribute(const store::AttributeView& attribute);

  // Blocks stay where they are while the list grows, so views into them hold.
  static constexpr std::size_t kBlockBytes = 256 * 1024;
  static_assert(kBlockBytes >= kLineBytesMax, "a line's strings fit one block");
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_ = 0;  // the one that is being filled
  std::size_t used_ = 0;   // bytes of it
  std::size_t bytes_ = 0;  // kept since `clear`, views of topics and attributes included

  std::vector<store::DeviceRegistration> devices_;
  std::vector<std::uint64_t> numbers_;
  // Of all devices, one after the other; of each its topics, its own topics, its lists' members.
  std::vector<std::string_view> texts_;
  std::vector<store::AttributeView> attributes_;
  // For each device: one past its last of each kind in `texts_` and `attributes_`.
  struct Ends {
    std::uint32_t topics = 0, device_topics = 0, texts = 0, attributes = 0;
  };
  std::vector<Ends> ends_;
  std::vector<BadLine> bad_;
};

}  // namespace carillon::import
