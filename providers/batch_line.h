// What a channel holds of the batches that were submitted to it. Only for push_channel.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "providers/http2/request_head.h"
#include "providers/http2/request_source.h"
#include "providers/provider.h"

namespace carillon::push {

// How the id is written: 8-4-4-4-12 lower-case hexadecimal digits (RFC 9562).
inline void write_uuid(const std::array<std::uint8_t, 16>& id, std::array<char, 36>& text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::size_t at = 0;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = kDigits[id[i] >> 4];
    text[at++] = kDigits[id[i] & 15];
  }
}

// The headers of a batch under one authorization.
struct Head {
  std::shared_ptr<const std::string> authorization;
  http2::RequestHead request;
};

struct Batch {
  PushBatch push;
  http2::LoopTime queued_at{};
  std::size_t next = 0;   // the first target that has not been prepared
  std::size_t open = 0;   // prepared, not settled
  std::size_t place = 0;  // in the list of batches
  // One per authorization that was used; streams on their way read from theirs.
  std::vector<std::unique_ptr<Head>> heads;

  std::size_t left() const { return push.targets.size() - next; }
};

// What waits, in the order in which it goes.
enum class LineKind : std::uint8_t { kUrgent, kUsual, kDoubtful };

struct Line {
  LineKind kind;
  std::deque<Batch*> batches;  // with a target that is not prepared
  std::size_t count = 0;       // such targets
};

inline LineKind line_of(const PushBatch& push) {
  return push.doubtful ? LineKind::kDoubtful : push.urgent ? LineKind::kUrgent : LineKind::kUsual;
}

inline bool takes(http2::Share share, LineKind kind) {
  switch (share) {
    case http2::Share::kAll:
      return true;
    case http2::Share::kSound:
      return kind != LineKind::kDoubtful;
    case http2::Share::kUrgent:
      return kind == LineKind::kUrgent;
    case http2::Share::kOthers:
      return kind == LineKind::kUsual;
    case http2::Share::kDoubtful:
      return kind == LineKind::kDoubtful;
  }
  return false;
}

}  // namespace carillon::push
