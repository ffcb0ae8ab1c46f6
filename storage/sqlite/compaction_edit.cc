#include "storage/sqlite/compaction_edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "storage/sqlite/schema.h"

namespace carillon::store::sqlite {
namespace {

// Of a compaction's time, about: subscribers and devices have most of the bytes.
constexpr std::array<double, 10> kTimeShare = {0.3,   0.05,  0.03, 0.05, 0.02,
                                               0.005, 0.015, 0.18, 0.3,  0.05};

}  // namespace

CompactionEdit::CompactionEdit(Database& database)
    : database_(database),
      hot_(database, "hot"),
      members_(database, "mem"),
      unusual_(database, "unusual"),
      device_members_(database, "devmem"),
      traits_(database, "trait"),
      new_names_(database, "hx_new"),
      young_names_(database, "hx_young"),
      names_(database, "hx"),
      subscribers_(database, "sub") {}

CompactionStep CompactionEdit::step(CompactionPlace place, std::size_t bytes_max,
                                    std::uint64_t oldest) {
  const bool shrinks = can_shrink(database_);
  if (place == CompactionPlace{}) {
    place.rewrite = shrinks && database_.pragma("freelist_count") * kRewriteFreeShare >=
                                   database_.pragma("page_count");
  }
  // What a table leaves of the step's work is done on the next one.
  for (std::size_t left = std::max<std::size_t>(bytes_max, 1); left > 0 && place.stage < kStages;) {
    const RepackedWindow window = place.stage == kFree  ? give_back(left)
                                  : place.stage == kSub ? rewrite_subscribers(place, left)
                                                        : repack(place, left, oldest);
    left -= std::min(left, window.bytes);
    place.next = window.next;
    if (window.end) {
      ++place.stage;
      place.next = 0;
      if (place.stage == kFree && !shrinks) place.stage = kStages;
    }
  }
  const auto bytes = [&](const char* pages) {
    return static_cast<std::uint64_t>(database_.pragma(pages) * kPageBytes);
  };
  return {.place = place,
          .end = place.stage >= kStages,
          .done = done(place),
          .file_bytes = bytes("page_count"),
          .free_bytes = bytes("freelist_count")};
}

RepackedWindow CompactionEdit::repack(const CompactionPlace& place, std::size_t bytes_max,
                                      std::uint64_t oldest) {
  switch (place.stage) {
    case kHot:
      return hot_.step(place.next, bytes_max, place.rewrite, oldest);
    case kMem:
      return members_.step(place.next, bytes_max, place.rewrite, oldest);
    case kDevmem:
      return device_members_.step(place.next, bytes_max, place.rewrite, oldest);
    case kTrait:
      return traits_.step(place.next, bytes_max, place.rewrite, oldest);
    case kUnusual:
      return unusual_.step(place.next, bytes_max, place.rewrite, oldest);
    case kHxNew:
      return new_names_.step(place.next, bytes_max, place.rewrite, oldest);
    case kHxYoung:
      return young_names_.step(place.next, bytes_max, place.rewrite, oldest);
    default:
      return names_.step(place.next, bytes_max, place.rewrite, oldest);
  }
}

// A row a subscriber: there is nothing to join, but pages to fill.
RepackedWindow CompactionEdit::rewrite_subscribers(const CompactionPlace& place,
                                                   std::size_t bytes_max) {
  if (!place.rewrite) return {.bytes = 0, .end = true, .next = 0};
  subscribers_.read(place.next, bytes_max);
  if (!subscribers_.rows().empty()) {
    subscribers_.erase();
    for (const RowWindow::Row& row : subscribers_.rows()) subscribers_.insert(row.key, row.bytes);
  }
  return {.bytes = subscribers_.bytes(),
          .end = !subscribers_.following(),
          .next = subscribers_.following().value_or(0)};
}

// The last pages of the file move to where free ones are. The file itself gets shorter with the
// next checkpoint.
RepackedWindow CompactionEdit::give_back(std::size_t bytes_max) {
  const std::size_t pages = std::max<std::size_t>(bytes_max / kPageBytes, 1);
  database_.execute(fmt::format("PRAGMA incremental_vacuum({})", pages));
  return {.bytes = pages * kPageBytes, .end = database_.pragma("freelist_count") == 0, .next = 0};
}

double CompactionEdit::done(const CompactionPlace& place) {
  double before = 0;
  for (std::size_t i = 0; i < kTimeShare.size() && i < place.stage; ++i) before += kTimeShare[i];
  if (place.stage >= kFree || place.next == 0) return std::min(before, 1.0);
  const std::uint64_t last = std::max<std::uint64_t>(last_key(place.stage), 1);
  const double of_stage = static_cast<double>(place.next) / static_cast<double>(last);
  return before + kTimeShare[place.stage] * std::min(of_stage, 1.0);
}

std::uint64_t CompactionEdit::last_key(std::uint8_t stage) {
  switch (stage) {
    case kHot:
      return hot_.last();
    case kMem:
      return members_.last();
    case kDevmem:
      return device_members_.last();
    case kTrait:
      return traits_.last();
    case kUnusual:
      return unusual_.last();
    case kHxNew:
      return new_names_.last();
    case kHxYoung:
      return young_names_.last();
    case kHx:
      return names_.last();
    default:
      return subscribers_.last();
  }
}

}  // namespace carillon::store::sqlite
