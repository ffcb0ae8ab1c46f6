#include "storage/sqlite/chunk_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "storage/sqlite/device_member_chunk.h"
#include "storage/sqlite/hash_chunk.h"
#include "storage/sqlite/hot_chunk.h"
#include "storage/sqlite/member_chunk.h"
#include "storage/sqlite/subscriber.h"
#include "storage/sqlite/trait_chunk.h"
#include "storage/sqlite/traits.h"

namespace carillon::store::sqlite {
namespace {

// Enough to tell two tokens apart, too little to send with.
constexpr std::size_t kShownTokenBytes = 8;

std::uint64_t subscriber_half(std::uint64_t key) {
  return key & 0xffff'ffff;
}

Fields line_of(const HotDevice& device, bool tokens) {
  ByteReader packed(device.token, "a device's token");
  std::string token;
  unpack_token(device.code, packed, token);
  Fields line{{{"subscriber", std::uint64_t{subscriber_of(device.key)}},
               {"ordinal", std::uint64_t{ordinal_of(device.key)}},
               {"platform", std::string(name_of(device.platform))},
               {"locale", std::uint64_t{device.locale}}}};
  if (device.since != 0) line.of.push_back({"since", device.since});
  if (device.stale) line.of.push_back({"stale", true});
  line.of.push_back({"token", shown_token(token, tokens)});
  return line;
}

Fields line_of(const MemberFormat::Entry& member, bool) {
  Fields line{{{"subscriber", subscriber_half(member.key)}}};
  if (member.since != 0) line.of.push_back({"since", member.since});
  return line;
}

Fields line_of(const DeviceMemberFormat::Entry& member, bool) {
  Fields line{
      {{"subscriber", subscriber_half(member.key)}, {"ordinal", std::uint64_t{member.ordinal}}}};
  if (member.since != 0) line.of.push_back({"since", member.since});
  return line;
}

Fields line_of(const TraitsAt& device, bool) {
  const Traits traits = decode_traits(device.traits);
  Fields line{{{"subscriber", std::uint64_t{subscriber_of(device.key)}},
               {"ordinal", std::uint64_t{ordinal_of(device.key)}},
               {"app", std::uint64_t{traits.app}}}};
  if (!traits.app_version.empty()) line.of.push_back({"app_version", traits.app_version});
  for (const auto& [name, value] : traits.attributes) {
    line.of.push_back({fmt::format("attribute {}", name), text_of(value)});
  }
  return line;
}

Fields line_of(const HashFormat::Entry& entry, bool) {
  return {{{"hash", fmt::format("{:08x}", subscriber_half(entry.key))},
           {"subscriber", std::uint64_t{entry.subscriber}}}};
}

template <class Format>
void view_entries(std::uint64_t fence, std::string_view bytes, ChunkDetail detail,
                  ChunkView& view) {
  std::vector<typename Format::Entry> entries;
  try {
    Format::decode(fence, bytes, entries);
  } catch (const StoreFailure& failure) {
    view.damage = failure.error.message;
  }
  view.entries = entries.size();
  if (detail == ChunkDetail::kCount) return;
  for (const auto& entry : entries) {
    try {
      view.lines.push_back(line_of(entry, detail == ChunkDetail::kEntriesWithTokens));
    } catch (const StoreFailure& failure) {
      view.lines.push_back({{{"key", entry.key}, {"damaged", failure.error.message}}});
      if (view.damage.empty()) view.damage = failure.error.message;
    }
  }
}

std::string numbers(const std::vector<std::uint32_t>& of) {
  return fmt::format("{}", fmt::join(of, " "));
}

void view_subscriber(std::string_view bytes, ChunkDetail detail, ChunkView& view) {
  Subscriber subscriber;
  try {
    decode_subscriber(bytes, subscriber);
  } catch (const StoreFailure& failure) {
    view.damage = failure.error.message;
    return;
  }
  view.entries = 1;
  if (detail == ChunkDetail::kCount) return;
  view.lines.push_back({{{"app", std::uint64_t{subscriber.app}},
                         {"name", subscriber.name},
                         {"anonymous", subscriber.anonymous},
                         {"next_ordinal", std::uint64_t{subscriber.next_ordinal}},
                         {"freed_at", subscriber.freed_at},
                         {"topics", numbers(subscriber.topics)}}});
  for (const Subscriber::Device& device : subscriber.devices) {
    view.lines.push_back({{{"device", device.name},
                           {"ordinal", std::uint64_t{device.ordinal}},
                           {"platform", std::string(name_of(device.platform))},
                           {"registered_ms", static_cast<std::uint64_t>(device.registered_ms)},
                           {"time_zone", std::uint64_t{device.timezone}},
                           {"traits", device.traits},
                           {"stale", device.stale},
                           {"topics", numbers(device.topics)}}});
  }
}

}  // namespace

ChunkView view_chunk(std::string_view table, std::uint64_t fence, std::string_view bytes,
                     ChunkDetail detail) {
  ChunkView view;
  if (table == "sub") view_subscriber(bytes, detail, view);
  if (table == "hot") view_entries<HotFormat>(fence, bytes, detail, view);
  if (table == "mem" || table == "unusual") view_entries<MemberFormat>(fence, bytes, detail, view);
  if (table == "devmem") view_entries<DeviceMemberFormat>(fence, bytes, detail, view);
  if (table == "trait") view_entries<TraitFormat>(fence, bytes, detail, view);
  if (table == "hx" || table == "hx_young" || table == "hx_new") {
    view_entries<HashFormat>(fence, bytes, detail, view);
  }
  return view;
}

std::size_t chunk_bytes_max(std::string_view table) {
  if (table == "hot") return HotFormat::kBytesMax;
  if (table == "mem" || table == "unusual") return MemberFormat::kBytesMax;
  if (table == "devmem") return DeviceMemberFormat::kBytesMax;
  if (table == "trait") return TraitFormat::kBytesMax;
  if (table == "hx") return HashFormat::kBytesMax;
  if (table == "hx_young" || table == "hx_new") return YoungHashFormat::kBytesMax;
  return 0;
}

std::string shown_token(std::string_view token, bool whole) {
  if (whole) return std::string(token);
  const std::size_t shown = std::min(kShownTokenBytes, token.size() / 4);
  return fmt::format("{}... ({} characters)", token.substr(0, shown), token.size());
}

std::string_view name_of(Platform platform) {
  constexpr std::string_view kNames[] = {"apns", "fcm", "webpush"};
  const auto index = static_cast<std::size_t>(platform) - 1;
  return index < std::size(kNames) ? kNames[index] : "none";
}

std::string text_of(const AttributeValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return fmt::format("{}", fmt::join(std::get<std::vector<std::string>>(value), ", "));
}

std::string hex_of(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

std::string hex_of(const EventId& id) {
  std::string hex = hex_of({reinterpret_cast<const char*>(id.data()), id.size()});
  for (const std::size_t at : {8U, 13U, 18U, 23U}) hex.insert(at, 1, '-');
  return hex;
}

}  // namespace carillon::store::sqlite
