// Ascending positions as bytes: the first as a varint, then the varint deltas. What a job carries
// beyond its cursor, and what a named audience was resolved to.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/byte_reader.h"
#include "storage/store.h"

namespace carillon::store::sqlite {

inline void encode_positions(std::span<const DevicePosition> positions, std::string& out) {
  DevicePosition previous = 0;
  for (const DevicePosition position : positions) {
    append_varint(out, position - previous);
    previous = position;
  }
}

// Appends to `out`.
inline void decode_positions(std::string_view bytes, std::vector<DevicePosition>& out) {
  ByteReader in(bytes, "a list of positions");
  for (DevicePosition position = 0; !in.done();) {
    const std::uint64_t delta = in.varint();
    if (delta == 0 || position + delta < position) in.corrupt();
    position += delta;
    out.push_back(position);
  }
}

}  // namespace carillon::store::sqlite
