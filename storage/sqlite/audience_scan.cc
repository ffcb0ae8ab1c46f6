#include "storage/sqlite/audience_scan.h"

#include <algorithm>

#include "storage/sqlite/position_list.h"

namespace carillon::store::sqlite {

AudiencePages::AudiencePages(Database& database)
    : database_(database),
      members_(database, "mem"),
      hot_(database),
      named_(database,
             "SELECT positions FROM audience WHERE event = ?1 AND platform = ?2 AND first >= "
             "coalesce((SELECT max(first) FROM audience WHERE event = ?1 AND platform = ?2 AND "
             "first <= ?3), 0) ORDER BY first"),
      texts_(database, "SELECT id, text FROM dict WHERE id >= ? ORDER BY id") {}

void AudiencePages::read(const FrozenAudience& audience, DevicePosition after, std::size_t limit,
                         DevicePage& page) {
  page.devices.clear();
  page.tokens.clear();
  page.through = after;
  page.end = after >= kPositionMax;
  if (page.end) return;
  limit = std::max<std::size_t>(limit, 1);
  hot_.restart();
  if (audience.topic != 0) {
    read_topic(audience, after, limit, page);
  } else {
    read_names(audience, after, limit, page);
  }
  hot_.restart();
  members_.close();
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
  const std::uint32_t first = subscriber_of(from);
  const std::uint64_t base = member_key(audience.topic, 0);
  std::size_t members = 0;
  for (bool more = members_.seek(base | first);
       more && MemberFormat::group(members_.fence()) == base; more = members_.next()) {
    MemberReader reader(members_.fence(), members_.bytes());
    std::uint32_t subscriber = 0;
    std::uint64_t since = 0;
    while (reader.next(subscriber, since)) {
      if (subscriber < first) continue;
      if (since <= audience.frozen) {
        // Several devices stand next to each other.
        DevicePosition position = std::max(position_of(subscriber, 0), from);
        HotDevice device;
        while (hot_.to(position, device) && subscriber_of(device.key) == subscriber) {
          if (device.platform == audience.platform && device.since <= audience.frozen) {
            take(device, page);
            page.through = device.key;
            if (page.devices.size() >= limit) return;
          }
          position = device.key + 1;
        }
      }
      page.through = position_of(subscriber, 0xff);
      if (++members >= kMembersPerPageMax) return;
    }
  }
  page.end = true;
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
      if (hot_.to(position, device) && device.key == position &&
          device.platform == audience.platform && device.since <= audience.frozen) {
        take(device, page);
      }
      page.through = position;
      if (page.devices.size() >= limit) return;
    }
  }
  page.end = true;
}

std::optional<std::string> AudiencePages::token_of(AudienceTables& tables,
                                                   const FrozenAudience& audience,
                                                   DevicePosition position) {
  if (audience.topic != 0) {
    const auto since = tables.member(audience.topic, subscriber_of(position));
    if (!since || *since > audience.frozen) return std::nullopt;
  }
  auto device = tables.device_at(position);
  if (!device || device->platform != audience.platform || device->since > audience.frozen) {
    return std::nullopt;
  }
  return std::move(device->token);
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
