#include "storage/sqlite/audience_scan.h"

#include <algorithm>

#include "storage/sqlite/position_list.h"

namespace carillon::store::sqlite {
namespace {

// Of the audience's platform, and not of those that came later.
bool is_in(const HotDevice& device, const FrozenAudience& audience) {
  return device.platform == audience.platform && device.since <= audience.frozen && !device.stale;
}

}  // namespace

AudiencePages::AudiencePages(Database& database, AudienceTables& tables)
    : database_(database),
      member_chunks_(database, "mem"),
      device_member_chunks_(database, "devmem"),
      hot_(database),
      matcher_(database, tables),
      named_(database,
             "SELECT positions FROM audience WHERE event = ?1 AND platform = ?2 AND first >= "
             "coalesce((SELECT max(first) FROM audience WHERE event = ?1 AND platform = ?2 AND "
             "first <= ?3), 0) ORDER BY first"),
      texts_(database, "SELECT id, text FROM dict WHERE id >= ? ORDER BY id"),
      frozen_(database,
              "SELECT first, d FROM frozen WHERE event = ? AND first >= ? ORDER BY first") {}

void AudiencePages::read(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
                         DevicePage& page) {
  page.devices.clear();
  page.tokens.clear();
  page.through = after;
  page.end = after >= kPositionMax;
  if (page.end) return;
  limit = std::max<std::size_t>(limit, 1);
  hot_.restart();
  if (audience.expression) {
    read_frozen(audience, after, limit, page);
  } else if (audience.topic != 0) {
    read_topic(audience, after, limit, page);
  } else {
    read_names(audience, after, limit, page);
  }
  hot_.restart();
  member_chunks_.close();
  device_member_chunks_.close();
}

void AudiencePages::take(const HotDevice& device, DevicePage& page) {
  const auto offset = static_cast<std::uint32_t>(page.tokens.size());
  hot_.take_token(page.tokens);
  page.devices.push_back({.position = device.key,
                          .token_offset = offset,
                          .token_length = static_cast<std::uint16_t>(page.tokens.size() - offset),
                          .locale = device.locale});
}

void AudiencePages::read_topic(const FrozenAudience& audience, DevicePosition after,
                               std::size_t limit, DevicePage& page) {
  const DevicePosition from = after + 1;
  members_.start(member_chunks_, audience.topic);
  device_members_.start(device_member_chunks_, audience.topic);
  const Member* whole = members_.to(subscriber_of(from));
  const Member* single = device_members_.to(subscriber_of(from));
  for (std::size_t met = 0; whole || single;) {
    const std::uint32_t subscriber = !single  ? whole->subscriber
                                     : !whole ? single->subscriber
                                              : std::min(whole->subscriber, single->subscriber);
    const bool heard = whole && whole->subscriber == subscriber && whole->since <= audience.frozen;
    DevicePosition position = std::max(position_of(subscriber, 0), from);
    // Ordinals ascend on both sides.
    for (; single && single->subscriber == subscriber; single = device_members_.after()) {
      const DevicePosition of = position_of(subscriber, single->ordinal);
      if (heard || single->since > audience.frozen || of < position) continue;
      if (!take_at(of, audience, page)) continue;
      position = of + 1;
      if (page.devices.size() >= limit) return;
    }
    if (heard) {
      HotDevice device;
      while (hot_.to(position, device) && subscriber_of(device.key) == subscriber) {
        if (is_in(device, audience)) {
          take(device, page);
          page.through = device.key;
          if (page.devices.size() >= limit) return;
        }
        position = device.key + 1;
      }
    }
    page.through = position_of(subscriber, 0xff);
    if (++met >= kMembersPerPageMax) return;
    if (whole && whole->subscriber == subscriber) whole = members_.after();
  }
  page.end = true;
}

bool AudiencePages::take_at(DevicePosition position, const FrozenAudience& audience,
                            DevicePage& page) {
  HotDevice device;
  if (!hot_.to(position, device) || device.key != position || !is_in(device, audience))
    return false;
  take(device, page);
  page.through = position;
  return true;
}

void AudiencePages::read_names(const FrozenAudience& audience, DevicePosition after,
                               std::size_t limit, DevicePage& page) {
  Cursor row = named_.rows(audience.event, static_cast<int>(audience.platform), after);
  while (row.next()) {
    positions_.clear();
    decode_positions(row.bytes(0), positions_);
    for (const DevicePosition position : positions_) {
      if (position <= after) continue;
      HotDevice device;
      if (hot_.to(position, device) && device.key == position && is_in(device, audience)) {
        take(device, page);
      }
      page.through = position;
      if (page.devices.size() >= limit) return;
    }
  }
  page.end = true;
}

void AudiencePages::read_frozen(const FrozenAudience& audience, DevicePosition after,
                                std::size_t limit, DevicePage& page) {
  const std::uint32_t first = subscriber_of(after + 1);
  matcher_.start(*audience.expression);
  std::size_t met = 0;
  for (Cursor row = frozen_.rows(audience.event, first - first % kWindowSubscribers); row.next();) {
    decode_frozen(static_cast<std::uint32_t>(row.integer(0)), row.bytes(1), window_);
    for (bool again = false;; again = true) {
      choose_candidates(page.through, limit - page.devices.size());
      const std::uint64_t chosen = candidates_.count();
      if (chosen == 0) break;
      // Members between the candidates were passed over: a second part of a window begins anew.
      if (again) matcher_.start(*audience.expression);
      take_window(audience, after, limit, page);
      met += chosen;
      if (page.devices.size() >= limit || met >= kMembersPerPageMax) {
        matcher_.close();
        return;
      }
    }
  }
  matcher_.close();
  page.end = true;
}

void AudiencePages::choose_candidates(DevicePosition after, std::size_t limit) {
  candidates_ = window_.whole;
  for (const DevicePosition position : window_.devices) {
    candidates_.set(subscriber_of(position) - window_.base);
  }
  // The subscriber of `after` may have another device.
  const DevicePosition next = after + 1;
  SubscriberBits rest;
  if (next > position_of(window_.base, 0)) {
    const std::uint64_t from = subscriber_of(next) - std::uint64_t{window_.base};
    rest.set_from(static_cast<std::uint32_t>(std::min<std::uint64_t>(from, kWindowSubscribers)));
    candidates_ &= rest;
  }
  std::uint32_t end = candidates_.next(0);
  for (; limit > 0 && end < kWindowSubscribers; --limit) end = candidates_.next(end + 1);
  rest.set_from(end);
  candidates_.remove(rest);
}

void AudiencePages::take_window(const FrozenAudience& audience, DevicePosition after,
                                std::size_t limit, DevicePage& page) {
  const std::uint32_t base = window_.base;
  matcher_.evaluate(base, candidates_, sure_, maybe_);
  auto single = window_.devices.begin();
  for (std::uint32_t i = candidates_.next(0); i < kWindowSubscribers; i = candidates_.next(i + 1)) {
    DevicePosition position = std::max(position_of(base + i, 0), after + 1);
    HotDevice device;
    while (maybe_.test(i) && hot_.to(position, device) && subscriber_of(device.key) == base + i) {
      position = device.key + 1;
      if (!is_in(device, audience)) continue;
      if (!window_.whole.test(i)) {
        while (single != window_.devices.end() && *single < device.key) ++single;
        if (single == window_.devices.end() || *single != device.key) continue;
      }
      if (!sure_.test(i) && !matcher_.matches(device)) continue;
      take(device, page);
      page.through = device.key;
      if (page.devices.size() >= limit) return;
    }
    page.through = position_of(base + i, 0xff);
  }
}

std::optional<AudiencePages::Reached> AudiencePages::device_of(AudienceTables& tables,
                                                               const FrozenAudience& audience,
                                                               DevicePosition position) {
  if (audience.expression) return frozen_device_of(audience, position);
  if (audience.topic != 0) {
    const auto whole = tables.member(audience.topic, subscriber_of(position));
    const auto single = tables.device_member(audience.topic, position);
    if (!(whole && *whole <= audience.frozen) && !(single && *single <= audience.frozen)) {
      return std::nullopt;
    }
  }
  auto device = tables.device_at(position);
  if (!device || device->stale || device->platform != audience.platform ||
      device->since > audience.frozen) {
    return std::nullopt;
  }
  return Reached{.token = std::move(device->token), .locale = device->locale};
}

std::optional<AudiencePages::Reached> AudiencePages::frozen_device_of(
    const FrozenAudience& audience, DevicePosition position) {
  const std::uint32_t subscriber = subscriber_of(position);
  std::optional<Reached> reached;
  HotDevice device;
  hot_.restart();
  if (hot_.to(position, device) && device.key == position && is_in(device, audience)) {
    matcher_.start(*audience.expression);
    window_.base = subscriber - subscriber % kWindowSubscribers;
    candidates_.clear();
    candidates_.set(subscriber - window_.base);
    matcher_.evaluate(window_.base, candidates_, sure_, maybe_);
    if (maybe_.test(subscriber - window_.base) && matcher_.matches(device)) {
      reached.emplace().locale = device.locale;
      hot_.take_token(reached->token);
    }
    matcher_.close();
  }
  hot_.restart();
  return reached;
}

void AudiencePages::load_texts(std::vector<std::string>& texts) {
  if (texts.empty()) texts.emplace_back();
  Cursor row = texts_.rows(texts.size());
  while (row.next()) {
    const std::uint64_t id = row.natural(0);
    if (id > kLocaleIdMax) return;
    if (id >= texts.size()) texts.resize(id + 1);
    texts[id] = row.bytes(1);
  }
}

}  // namespace carillon::store::sqlite
