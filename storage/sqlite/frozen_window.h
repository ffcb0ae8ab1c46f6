// A row of `frozen`: who of a window of subscribers was in an audience when it was frozen.
//
//   row   := form (byte), set, position*
//   form  := 0: a set of few | 1: a bitmap
//   few   := count (varint), {delta from the one before (varint)}*      numbers within the window
//   bitmap := 2,048 bytes
//   position := varint, delta from the one before or from the window's first
//
// The set holds subscribers with every device that they had; positions are single devices.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/byte_reader.h"
#include "storage/sqlite/hot_chunk.h"
#include "storage/sqlite/subscriber_window.h"

namespace carillon::store::sqlite {

struct FrozenWindow {
  std::uint32_t base = 0;  // a multiple of kWindowSubscribers
  SubscriberBits whole;
  std::vector<DevicePosition> devices;  // ascending

  bool empty() const { return devices.empty() && whole.none(); }
};

inline void encode_frozen(const FrozenWindow& window, std::string& out) {
  std::string few;
  const std::uint64_t count = window.whole.count();
  append_varint(few, count);
  std::uint32_t previous = 0;
  constexpr std::size_t kBitmapBytes = kWindowSubscribers / 8;
  for (std::uint32_t i = window.whole.next(0); i < kWindowSubscribers && few.size() < kBitmapBytes;
       i = window.whole.next(i + 1)) {
    append_varint(few, i - previous);
    previous = i;
  }
  if (few.size() < kBitmapBytes) {
    out.push_back(0);
    out.append(few);
  } else {
    out.push_back(1);
    for (const std::uint64_t word : window.whole.words()) {
      append_fixed32(out, static_cast<std::uint32_t>(word));
      append_fixed32(out, static_cast<std::uint32_t>(word >> 32));
    }
  }
  DevicePosition before = position_of(window.base, 0);
  for (const DevicePosition position : window.devices) {
    append_varint(out, position - before);
    before = position;
  }
}

inline void decode_frozen(std::uint32_t base, std::string_view bytes, FrozenWindow& out) {
  ByteReader in(bytes, "a frozen audience");
  out.base = base;
  out.whole.clear();
  out.devices.clear();
  if (base % kWindowSubscribers != 0) in.corrupt();
  const std::uint8_t form = in.byte();
  if (form > 1) in.corrupt();
  if (form == 0) {
    std::uint64_t at = 0;
    for (auto count = in.varint_to<std::uint32_t>(kWindowSubscribers); count > 0; --count) {
      at += in.varint_to<std::uint32_t>(kWindowSubscribers);
      if (at >= kWindowSubscribers) in.corrupt();
      out.whole.set(static_cast<std::uint32_t>(at));
    }
  } else {
    for (std::uint64_t& word : out.whole.words()) {
      word = in.fixed32();
      word |= static_cast<std::uint64_t>(in.fixed32()) << 32;
    }
  }
  DevicePosition position = position_of(base, 0);
  const DevicePosition end = position + (std::uint64_t{kWindowSubscribers} << kOrdinalBits);
  while (!in.done()) {
    const std::uint64_t delta = in.varint_to<std::uint64_t>(end - position);
    if (delta == 0 && !out.devices.empty()) in.corrupt();
    position += delta;
    if (position >= end) in.corrupt();
    out.devices.push_back(position);
  }
}

}  // namespace carillon::store::sqlite
