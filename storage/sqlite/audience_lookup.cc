// What a request looks up: over what is stored, what it has gathered itself.
#include <fmt/format.h>

#include <algorithm>

#include "storage/sqlite/audience_edit.h"
#include "storage/sqlite/name_check.h"
#include "storage/sqlite/traits.h"

namespace carillon::store::sqlite {
namespace {

// Tokens read ahead for a batch; what is beyond is read one by one.
constexpr std::size_t kFetchedTokenBytesMax = 16 * 1024 * 1024;

}  // namespace

// Everything that the lines may ask for, each table read in the order of its keys: hints by their
// hashes, then the subscribers that they name, then those subscribers' devices. A device that is
// known, with its token and its subscriber, answers for all three names: so most lines of an import
// that is repeated ask for one.
void AudienceEdit::look_up(std::span<const DeviceRegistration> devices) {
  forget_looked_up();
  keys_.clear();
  keys_.reserve(devices.size());
  std::vector<std::uint64_t> sought;
  sought.reserve(devices.size());
  for (const DeviceRegistration& line : devices) {
    LineKeys& keys = keys_.emplace_back();
    if (check_registration(line)) continue;  // refused when its turn comes
    keys.app = app_id(line.app);
    keys.device = tables_.device_key(keys.app, line.device);
    keys.token = tables_.token_key(keys.app, line.platform, line.token);
    if (!line.subscriber.empty()) {
      keys.subscriber = tables_.subscriber_key(keys.app, line.subscriber);
    }
    sought.push_back(keys.device);
  }
  hints_complete_ = true;
  look_up_names(sought);
  sought.clear();
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const DeviceRegistration& line = devices[i];
    const LineKeys& keys = keys_[i];
    if (keys.app == 0) continue;
    const auto place = find_device(keys.app, line.device, keys.device);
    const auto known = place
                           ? device_at(*place->slot, place->slot->now.devices[place->index].ordinal)
                           : DeviceView();
    if (place && known.platform == line.platform && known.token == line.token) {
      hints_.insert(keys.token, place->slot->id);
    } else {
      sought.push_back(keys.token);
    }
    if (keys.subscriber == 0) continue;
    if (place && !place->slot->now.anonymous && place->slot->now.name == line.subscriber) {
      hints_.insert(keys.subscriber, place->slot->id);
    } else {
      sought.push_back(keys.subscriber);
    }
  }
  look_up_names(sought);
}

void AudienceEdit::look_up_names(std::vector<std::uint64_t>& keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::vector<std::pair<std::uint64_t, std::uint32_t>> found;
  found.reserve(keys.size());
  tables_.find_hints(keys, found);
  hints_.reserve(found.size());
  std::vector<std::uint32_t> ids;
  ids.reserve(found.size());
  for (const auto& [key, id] : found) {
    hints_.insert(key, id);
    ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  slot_by_id_.reserve(ids.size());
  const std::size_t first = slots_.size();
  for (const std::uint32_t id : ids) slot(id);
  fetch_devices(first);
}

// Those of the slots from `first` on, which ascend.
void AudienceEdit::fetch_devices(std::size_t first) {
  HotDevice hot;
  for (std::size_t i = first; i < slots_.size(); ++i) {
    if (fetched_tokens_.size() > kFetchedTokenBytesMax) break;
    Slot& slot = slots_[i];
    slot.fetched = static_cast<std::uint32_t>(fetched_.size());
    for (const Subscriber::Device& device : slot.now.devices) {
      const DevicePosition position = position_of(slot.id, device.ordinal);
      if (!hot_at_.to(position, hot) || hot.key != position) {
        fail_corrupt("a device that its subscriber still has");
      }
      FetchedDevice& fetched =
          fetched_.emplace_back(FetchedDevice{.position = position,
                                              .since = hot.since,
                                              .token_at = fetched_tokens_.size(),
                                              .token_bytes = 0,
                                              .locale = hot.locale,
                                              .platform = hot.platform,
                                              .stale = hot.stale});
      hot_at_.take_token(fetched_tokens_);
      fetched.token_bytes = static_cast<std::uint32_t>(fetched_tokens_.size() - fetched.token_at);
    }
  }
  hot_at_.restart();
}

void AudienceEdit::forget_looked_up() {
  slots_.clear();
  slot_by_id_.clear();
  hints_.clear();
  hints_complete_ = false;
  fetched_.clear();
  fetched_tokens_.clear();
}

template <class Match>
bool AudienceEdit::any_hint(std::uint64_t key, Match match) {
  if (!hints_complete_) {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> found;
    tables_.find_hints({key}, found);
    for (const auto& [ignored, id] : found) {
      if (match(id)) return true;
    }
  }
  return hints_.any(key, match);
}

AudienceEdit::Slot* AudienceEdit::slot(std::uint32_t id) {
  Slot* known = nullptr;
  if (slot_by_id_.any(slot_key(id), [&](std::uint32_t at) {
        known = &slots_[at];
        return true;
      })) {
    return known->gone ? nullptr : known;
  }
  Slot& slot = slots_.emplace_back();
  if (!tables_.subscriber(id, slot.now)) {
    slots_.pop_back();
    return nullptr;
  }
  slot.id = id;
  slot.stored = true;
  slot_by_id_.insert(slot_key(id), static_cast<std::uint32_t>(slots_.size() - 1));
  return &slot;
}

AudienceEdit::Slot* AudienceEdit::find_subscriber(std::uint32_t app, std::string_view name,
                                                  std::uint64_t key) {
  Slot* found = nullptr;
  any_hint(key, [&](std::uint32_t id) {
    Slot* candidate = slot(id);
    if (!candidate || candidate->now.app != app || candidate->now.anonymous ||
        candidate->now.name != name) {
      return false;
    }
    found = candidate;
    return true;
  });
  return found;
}

AudienceEdit::Slot* AudienceEdit::find_subscriber(std::uint32_t app, std::string_view name) {
  return find_subscriber(app, name, tables_.subscriber_key(app, name));
}

std::optional<AudienceEdit::Place> AudienceEdit::find_device(std::uint32_t app,
                                                             std::string_view name,
                                                             std::uint64_t key) {
  std::optional<Place> found;
  any_hint(key, [&](std::uint32_t id) {
    Slot* candidate = slot(id);
    if (!candidate || candidate->now.app != app) return false;
    const auto& devices = candidate->now.devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (devices[i].name != name) continue;
      found = Place{candidate, i};
      return true;
    }
    return false;
  });
  return found;
}

std::optional<AudienceEdit::Place> AudienceEdit::find_device(std::uint32_t app,
                                                             std::string_view name) {
  return find_device(app, name, tables_.device_key(app, name));
}

std::optional<AudienceEdit::Place> AudienceEdit::find_token(std::uint32_t app, Platform platform,
                                                            std::string_view token,
                                                            std::uint64_t key) {
  std::optional<Place> found;
  any_hint(key, [&](std::uint32_t id) {
    Slot* candidate = slot(id);
    if (!candidate || candidate->now.app != app) return false;
    const auto& devices = candidate->now.devices;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (devices[i].platform != platform) continue;
      if (token_identity(platform, device_at(*candidate, devices[i].ordinal).token) !=
          token_identity(platform, token)) {
        continue;
      }
      found = Place{candidate, i};
      return true;
    }
    return false;
  });
  return found;
}

AudienceEdit::DeviceView AudienceEdit::device_at(const Slot& slot, std::uint8_t ordinal) {
  const DevicePosition position = position_of(slot.id, ordinal);
  if (!device_edits_.empty()) {
    if (const auto edit = device_edits_.find(position); edit != device_edits_.end()) {
      if (!edit->second.device) fail_corrupt("a device that its subscriber still has");
      return view_of(*edit->second.device);
    }
  }
  for (std::size_t i = slot.fetched; i < fetched_.size(); ++i) {
    const FetchedDevice& fetched = fetched_[i];
    if (subscriber_of(fetched.position) != slot.id) break;
    if (fetched.position != position) continue;
    return {
        .platform = fetched.platform,
        .token = std::string_view(fetched_tokens_).substr(fetched.token_at, fetched.token_bytes),
        .locale = fetched.locale,
        .since = fetched.since,
        .stale = fetched.stale};
  }
  auto stored = tables_.device_at(position);
  if (!stored) fail_corrupt("a device that its subscriber still has");
  read_ = *std::move(stored);
  return view_of(read_);
}

std::uint32_t AudienceEdit::app_id(std::string_view name) {
  if (const auto known = apps_.find(name); known != apps_.end()) return known->second;
  std::optional<std::uint32_t> id = tables_.app(name);
  if (!id) {
    Cursor row = insert_app_.rows(name);
    row.next();
    if (row.integer(0) > kAppIdMax) fail(Error::Kind::kFull, "the store can hold no more apps");
    id = static_cast<std::uint32_t>(row.integer(0));
    row.next();
  }
  apps_.emplace(name, *id);
  return *id;
}

std::optional<std::uint32_t> AudienceEdit::find_topic(std::uint32_t app, std::string_view name) {
  topic_key_.clear();
  append_fixed32(topic_key_, app);
  topic_key_.append(name);
  if (const auto known = topics_.find(topic_key_); known != topics_.end()) return known->second;
  const auto topic = tables_.topic(app, name);
  if (!topic) return std::nullopt;
  topics_.emplace(topic_key_, topic->id);
  topic_rows_.try_emplace(topic->id, TopicRow{.id = topic->id,
                                              .subscribers = topic->subscribers,
                                              .devices = topic->devices,
                                              .changed = false});
  return topic->id;
}

std::uint32_t AudienceEdit::topic_id(std::uint32_t app, std::string_view name) {
  if (const auto known = find_topic(app, name)) return *known;
  Cursor row = insert_topic_.rows(app, name);
  row.next();
  if (row.integer(0) > kTopicIdMax) fail(Error::Kind::kFull, "the store can hold no more topics");
  const auto id = static_cast<std::uint32_t>(row.integer(0));
  row.next();
  ++meta_.topics;
  topics_.emplace(topic_key_, id);
  topic_rows_.emplace(id, TopicRow{.id = id, .subscribers = 0, .devices = {}, .changed = false});
  return id;
}

AudienceEdit::TopicRow& AudienceEdit::topic_row(std::uint32_t id) {
  if (const auto known = topic_rows_.find(id); known != topic_rows_.end()) return known->second;
  Cursor row = topic_by_id_.rows(id);
  if (!row.next()) fail_corrupt("the list of topics");
  return topic_rows_
      .emplace(id, TopicRow{.id = id,
                            .subscribers = row.natural(0),
                            .devices = {row.natural(1), row.natural(2), row.natural(3)},
                            .changed = false})
      .first->second;
}

AudienceEdit::AppRow& AudienceEdit::app_row(std::uint32_t id) {
  if (const auto known = app_rows_.find(id); known != app_rows_.end()) return known->second;
  Cursor row = app_by_id_.rows(id);
  if (!row.next() || row.natural(0) > kPlatforms) fail_corrupt("the list of apps");
  return app_rows_
      .emplace(id, AppRow{.usual = static_cast<std::uint8_t>(row.integer(0)),
                          .subscribers = row.natural(1),
                          .devices = {row.natural(2), row.natural(3), row.natural(4)},
                          .changed = false})
      .first->second;
}

std::string AudienceEdit::traits_at(DevicePosition position) {
  if (const auto edit = trait_edits_.find(position); edit != trait_edits_.end()) {
    return edit->second;
  }
  trait_at_.restart();
  const TraitsAt* stored = trait_at_.to(position);
  if (!stored || stored->key != position) fail_corrupt("the traits that a device still has");
  std::string traits(stored->traits);
  trait_at_.restart();
  return traits;
}

}  // namespace carillon::store::sqlite
