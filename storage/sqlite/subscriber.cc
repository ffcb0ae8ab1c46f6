#include "storage/sqlite/subscriber.h"

#include <algorithm>

#include "storage/sqlite/byte_reader.h"

namespace carillon::store::sqlite {
namespace {

constexpr std::uint64_t kIsAnonymous = 1, kHasOrdinals = 2, kHasChanged = 0x1000;
constexpr std::uint8_t kHasOrdinal = 4, kHasTimezone = 8, kHasTraits = 0x10, kHasTopics = 0x20,
                       kWasSeen = 0x40, kIsStale = 0x80;
constexpr std::uint32_t kTopicMax = 0x7fff'ffff;
constexpr std::uint64_t kSeenMax = 0xffff'ffff;  // days, zigzag

void append_topics(std::string& out, const std::vector<std::uint32_t>& topics) {
  std::uint32_t previous = 0;
  for (const std::uint32_t topic : topics) {
    append_varint(out, topic - previous);
    previous = topic;
  }
}

std::uint32_t read_topic(ByteReader& in, std::uint32_t previous) {
  const auto delta = in.varint_to<std::uint64_t>(0xffff'ffff);
  const std::uint64_t topic = previous + delta;
  if (delta == 0 || topic > kTopicMax) in.corrupt();
  return static_cast<std::uint32_t>(topic);
}

bool has_plain_ordinals(const Subscriber& subscriber) {
  if (subscriber.freed_at != 0 || subscriber.next_ordinal != subscriber.devices.size())
    return false;
  for (std::size_t i = 0; i < subscriber.devices.size(); ++i) {
    if (subscriber.devices[i].ordinal != i) return false;
  }
  return true;
}

void append_name(std::string& out, std::string_view name) {
  out.push_back(static_cast<char>(name.size()));
  out.append(name);
}

void decode_device(ByteReader& in, Subscriber::Device& device) {
  const std::uint8_t head = in.byte();
  if ((head & 3) == 0) in.corrupt();
  device.platform = static_cast<Platform>(head & 3);
  device.name.assign(in.view(in.byte()));
  device.registered_ms = static_cast<std::int64_t>(in.varint());
  device.ordinal = head & kHasOrdinal ? in.byte() : 0;
  device.timezone = head & kHasTimezone ? in.varint_to<std::uint32_t>(0xffff'ffff) : 0;
  device.traits = head & kHasTraits;
  device.stale = head & kIsStale;
  device.topics.clear();
  if (head & kHasTopics) {
    const auto count = in.varint_to<std::size_t>(kTopicsPerDeviceMax);
    std::uint32_t topic = 0;
    for (std::size_t i = 0; i < count; ++i) {
      device.topics.push_back(topic = read_topic(in, topic));
    }
  }
  device.seen_day = day_of(device.registered_ms);
  if (head & kWasSeen) device.seen_day += unzigzag(in.varint_to<std::uint64_t>(kSeenMax));
}

}  // namespace

static_assert(kNameBytesMax <= 255, "a name's length is one byte");
static_assert(kDevicesPerSubscriberMax << 2 < kHasChanged, "it stands above the count of devices");

bool Subscriber::hears(std::uint32_t topic) const {
  return std::binary_search(topics.begin(), topics.end(), topic);
}

PlatformCounts Subscriber::platforms() const {
  PlatformCounts counts{};
  for (const Device& device : devices) {
    if (!device.stale) ++counts[static_cast<std::size_t>(device.platform) - 1];
  }
  return counts;
}

std::uint8_t Subscriber::only_platform() const {
  std::uint8_t platform = 0;
  for (const Device& device : devices) {
    if (device.stale) continue;
    if (platform != 0) return 0;
    platform = static_cast<std::uint8_t>(device.platform);
  }
  return platform;
}

const Subscriber::Device* Subscriber::device_at(std::uint8_t ordinal) const {
  const auto at = std::find_if(devices.begin(), devices.end(),
                               [&](const Device& device) { return device.ordinal == ordinal; });
  return at == devices.end() ? nullptr : &*at;
}

void decode_subscriber(std::string_view row, Subscriber& out) {
  ByteReader in(row, "a subscriber's row");
  out.app = in.varint_to<std::uint32_t>(0xffff'ffff);
  const std::uint64_t head = in.varint();
  out.anonymous = head & kIsAnonymous;
  out.name.clear();
  if (!out.anonymous) out.name.assign(in.view(in.byte()));
  const std::uint64_t count = (head & ~kHasChanged) >> 2;
  if (count > kDevicesPerSubscriberMax) in.corrupt();
  out.next_ordinal = static_cast<std::uint32_t>(count);
  out.freed_at = 0;
  if (head & kHasOrdinals) {
    out.next_ordinal = in.varint_to<std::uint32_t>(kOrdinals);
    out.freed_at = in.varint();
  }
  out.changed_at = head & kHasChanged ? in.varint() : 0;
  out.devices.resize(count);
  for (Subscriber::Device& device : out.devices) decode_device(in, device);
  for (std::size_t i = 1; i < count; ++i) {
    if (out.devices[i].ordinal <= out.devices[i - 1].ordinal) in.corrupt();
  }
  if (count != 0 && out.devices.back().ordinal >= out.next_ordinal) in.corrupt();
  out.topics.clear();
  for (std::uint32_t topic = 0; !in.done();) out.topics.push_back(topic = read_topic(in, topic));
}

void encode_subscriber(const Subscriber& subscriber, std::string& out) {
  const bool plain = has_plain_ordinals(subscriber);
  append_varint(out, subscriber.app);
  append_varint(out, subscriber.devices.size() << 2 | (plain ? 0 : kHasOrdinals) |
                         (subscriber.anonymous ? kIsAnonymous : 0) |
                         (subscriber.changed_at != 0 ? kHasChanged : 0));
  if (!subscriber.anonymous) append_name(out, subscriber.name);
  if (!plain) {
    append_varint(out, subscriber.next_ordinal);
    append_varint(out, subscriber.freed_at);
  }
  if (subscriber.changed_at != 0) append_varint(out, subscriber.changed_at);
  for (const Subscriber::Device& device : subscriber.devices) {
    int head = static_cast<int>(device.platform);
    if (device.ordinal != 0) head |= kHasOrdinal;
    if (device.timezone != 0) head |= kHasTimezone;
    if (device.traits) head |= kHasTraits;
    if (!device.topics.empty()) head |= kHasTopics;
    const std::int64_t seen = device.seen_day - day_of(device.registered_ms);
    if (seen != 0) head |= kWasSeen;
    if (device.stale) head |= kIsStale;
    out.push_back(static_cast<char>(head));
    append_name(out, device.name);
    append_varint(out, static_cast<std::uint64_t>(device.registered_ms));
    if (device.ordinal != 0) out.push_back(static_cast<char>(device.ordinal));
    if (device.timezone != 0) append_varint(out, device.timezone);
    if (!device.topics.empty()) {
      append_varint(out, device.topics.size());
      append_topics(out, device.topics);
    }
    if (seen != 0) append_varint(out, zigzag(seen));
  }
  append_topics(out, subscriber.topics);
}

}  // namespace carillon::store::sqlite
