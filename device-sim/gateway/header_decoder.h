#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "device-sim/gateway/request.h"

namespace device_sim {

// Decodes the header blocks of one connection (HPACK, RFC 7541), in their order, as each may add to
// the table that later ones refer to. Written for what a sender of pushes repeats: an authorization
// that is coded as the last one was is not decoded again. One thread.
class HeaderDecoder {
 public:
  // The table's size that a client may use; more has not been promised to anyone.
  static constexpr std::size_t kTableBytesMax = 4'096;

  enum class Outcome : std::uint8_t {
    kDecoded,
    kTooLarge,   // over the request's limit; the table is as it should be
    kMalformed,  // the connection cannot go on
  };

  // Adds the fields of a whole block to `request`.
  Outcome decode(std::string_view block, Request& request);

 private:
  struct Entry {
    Field field = Field::kOther;
    std::string name;
    std::string value;
    std::size_t bytes() const { return name.size() + value.size() + 32; }  // section 4.1
  };
  // A name or a value: views that hold until the next one is read.
  struct Name {
    Field field = Field::kOther;
    std::string_view text;
  };
  class Reader;

  bool literal(Reader& in, std::uint64_t name_index, bool is_kept, Request& request);
  bool name_at(std::uint64_t index, Name& name) const;
  void keep(const Name& name, std::string_view value);
  void shrink_to(std::size_t bytes);
  void add(Field field, std::size_t name_bytes, std::string_view value, Request& request);

  std::deque<Entry> entries_;  // newest first
  std::size_t table_bytes_ = 0;
  std::size_t table_bytes_max_ = kTableBytesMax;
  bool fits_ = true;
  std::string name_;
  std::string value_;
  std::string authorization_coded_;  // the last one, as it came and as it reads
  std::string authorization_;
};

}  // namespace device_sim
