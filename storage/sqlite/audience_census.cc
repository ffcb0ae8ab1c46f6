#include "storage/sqlite/audience_census.h"

#include <limits>

namespace carillon::store::sqlite {

AudienceCensus::AudienceCensus(Database& database, AudienceTables& tables)
    : tables_(tables),
      matcher_(database, tables),
      hot_(database),
      next_subscriber_(database, "SELECT next_subscriber FROM meta"),
      none_or_several_chunks_(database, "unusual"),
      apns_chunks_(database, "unusual"),
      fcm_chunks_(database, "unusual"),
      webpush_chunks_(database, "unusual") {}

void AudienceCensus::close() {
  matcher_.close();
  hot_.restart();
  for (ChunkCursor* chunks :
       {&none_or_several_chunks_, &apns_chunks_, &fcm_chunks_, &webpush_chunks_}) {
    chunks->close();
  }
}

AudienceCount AudienceCensus::take(const AudienceExpression& expression,
                                   const std::function<void(const FrozenWindow&)>& keep) {
  AudienceCount count;
  take_part(expression, 0, std::numeric_limits<std::size_t>::max(), count, keep);
  return count;
}

std::optional<std::uint32_t> AudienceCensus::take_part(
    const AudienceExpression& expression, std::uint32_t from, std::size_t windows_max,
    AudienceCount& count, const std::function<void(const FrozenWindow&)>& keep) {
  Tally tally;
  const auto next = walk(expression, from, windows_max, tally, &keep);
  count.subscribers += tally.count.subscribers;
  for (std::size_t i = 0; i < kPlatforms; ++i) count.devices[i] += tally.count.devices[i];
  return next;
}

AudienceCount AudienceCensus::count(const AudienceExpression& expression) {
  if (expression.app == 0) return {};
  const bool by_rest = !expression.leads && expression.of_topics;
  if (!by_rest) {
    Tally tally;
    walk(expression, 0, std::numeric_limits<std::size_t>::max(), tally, nullptr);
    return tally.count;
  }
  Tally rest;
  const AudienceExpression others = complement(expression);
  walk(others, 0, std::numeric_limits<std::size_t>::max(), rest, nullptr);
  const AudienceTables::App app = tables_.app_counts(expression.app);
  AudienceCount count{.subscribers = app.subscribers - rest.whole, .devices = app.devices};
  for (std::size_t i = 0; i < kPlatforms; ++i) count.devices[i] -= rest.count.devices[i];
  return count;
}

void AudienceCensus::start_unusual(const AudienceExpression& expression) {
  usual_ = tables_.app_counts(expression.app).usual;
  ChunkCursor* const chunks[] = {&none_or_several_chunks_, &apns_chunks_, &fcm_chunks_,
                                 &webpush_chunks_};
  for (std::uint32_t platform = 0; platform <= kPlatforms; ++platform) {
    unusual_[platform].start(*chunks[platform], unusual_group(expression.app, platform));
  }
}

std::optional<std::uint32_t> AudienceCensus::walk(
    const AudienceExpression& expression, std::uint32_t from, std::size_t windows_max, Tally& tally,
    const std::function<void(const FrozenWindow&)>* keep) {
  if (expression.app == 0) return std::nullopt;
  matcher_.start(expression);
  start_unusual(expression);
  hot_.restart();
  std::uint64_t end = 0;  // nobody has this number
  {
    Cursor row = next_subscriber_.rows();
    if (!row.next()) fail_corrupt("its counters");
    end = row.natural(0);
  }
  SubscriberBits candidates, read;
  std::optional<std::uint32_t> first;
  for (std::size_t windows = 0;; ++windows) {
    first = matcher_.next(from);
    if (first && !expression.leads) {
      HotDevice device;
      if (hot_.to(position_of(*first, 0), device)) {
        first = subscriber_of(device.key);
      } else {
        first.reset();
      }
    }
    if (first && *first >= end) first.reset();
    if (!first || windows == windows_max) break;
    const std::uint32_t base = *first - *first % kWindowSubscribers;
    candidates.set_from(*first - base);
    matcher_.evaluate(base, candidates, sure_, maybe_);
    window_.base = base;
    window_.whole.clear();
    window_.devices.clear();
    read = maybe_;
    if (expression.leads) {
      // `sure_` keeps those who are not read.
      read.remove(sure_);
      SubscriberBits single = sure_;
      count_single(base, single, read, tally);
      window_.whole |= single;
    }
    read_devices(read, expression.leads, tally);
    if (keep && *keep && !window_.empty()) (*keep)(window_);
    if (base > kSubscriberIdMax - kWindowSubscribers) {
      first.reset();
      break;
    }
    from = base + kWindowSubscribers;
  }
  close();
  return first;
}

// Takes those who have none or several devices out of `sure` and into `read`; counts the others.
void AudienceCensus::count_single(std::uint32_t base, SubscriberBits& sure, SubscriberBits& read,
                                  Tally& tally) {
  SubscriberBits found;
  const auto find = [&](std::uint32_t platform) {
    found.clear();
    unusual_[platform].each(base, sure,
                            [&](const Member& member) { found.set(member.subscriber - base); });
    found &= sure;
  };
  find(0);
  sure.remove(found);
  read |= found;
  std::uint64_t left = sure.count();
  tally.count.subscribers += left;
  tally.whole += left;
  for (std::uint32_t platform = 1; platform <= kPlatforms; ++platform) {
    if (platform == usual_) continue;
    find(platform);
    const std::uint64_t there = found.count();
    tally.count.devices[platform - 1] += there;
    left -= there;
  }
  if (left == 0) return;
  if (usual_ == 0) fail_corrupt("an app's usual platform");
  tally.count.devices[usual_ - 1u] += left;
}

void AudienceCensus::read_devices(const SubscriberBits& read, bool led, Tally& tally) {
  const std::uint32_t base = window_.base;
  for (std::uint32_t i = read.next(0); i < kWindowSubscribers; i = read.next(i + 1)) {
    const std::uint32_t subscriber = base + i;
    DevicePosition position = position_of(subscriber, 0);
    HotDevice device;
    std::uint64_t devices = 0, in = 0;
    const std::size_t kept = window_.devices.size();
    while (hot_.to(position, device) && subscriber_of(device.key) == subscriber) {
      position = device.key + 1;
      if (device.stale) continue;
      if (devices == 0 && !led && !matcher_.of_app(subscriber)) break;
      ++devices;
      if (!sure_.test(i) && !matcher_.matches(device)) continue;
      ++in;
      ++tally.count.devices[static_cast<std::size_t>(device.platform) - 1];
      window_.devices.push_back(device.key);
    }
    if (in == 0) continue;
    ++tally.count.subscribers;
    if (in != devices) continue;
    ++tally.whole;
    window_.devices.resize(kept);
    window_.whole.set(i);
  }
}

}  // namespace carillon::store::sqlite
