#include "storage/sqlite/device_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/sqlite/audience_tables.h"
#include "storage/sqlite/private_copy.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/settled_file.h"

namespace carillon::store::sqlite {
namespace {

// Names of topics that are kept: so many are asked for again and again. A topic has one place.
constexpr std::size_t kTopicNamesKept = 16'384;

// Texts by their numbers, each read once: locales, time zones, names of apps and attributes, of all
// of which there are few.
class NumberedTexts {
 public:
  template <class Read>
  std::string_view get(std::uint32_t id, Read read) {
    const auto known = texts_.find(id);
    return known != texts_.end() ? known->second : texts_.emplace(id, read(id)).first->second;
  }

 private:
  std::unordered_map<std::uint32_t, std::string> texts_;  // where they are does not change
};

class TopicNames {
 public:
  explicit TopicNames(AudienceTables& tables) : tables_(tables), places_(kTopicNamesKept) {}

  // The names of the topics, sorted, until the next call with the same list.
  struct List {
    std::string bytes;
    std::vector<std::string_view> names;
  };
  void read(const std::vector<std::uint32_t>& topics, List& list) {
    list.bytes.clear();
    list.names.clear();
    lengths_.clear();
    for (const std::uint32_t topic : topics) {
      Place& place = places_[topic % kTopicNamesKept];
      if (place.topic != topic) place = {topic, tables_.topic_name(topic)};
      list.bytes += place.name;
      lengths_.push_back(place.name.size());
    }
    std::string_view left = list.bytes;
    for (const std::size_t length : lengths_) {
      list.names.push_back(left.substr(0, length));
      left.remove_prefix(length);
    }
    std::sort(list.names.begin(), list.names.end());
  }

 private:
  struct Place {
    std::uint32_t topic = 0;  // 0: none
    std::string name;
  };
  AudienceTables& tables_;
  std::vector<Place> places_;
  std::vector<std::size_t> lengths_;
};

// Reads the copy.
class DeviceWalk {
 public:
  DeviceWalk(Database& copy, const std::string& app)
      : copy_(copy),
        tables_(copy),
        topic_names_(tables_),
        hot_(copy),
        traits_(copy),
        walk_(copy, "SELECT k, d FROM sub ORDER BY k"),
        last_(last_subscriber(copy)) {
    if (!app.empty()) {
      app_ = tables_.app(app);
      unknown_ = !app_;
    }
    if (!unknown_) rows_.emplace(walk_.rows());
  }

  const DeviceRegistration* next() {
    while (index_ == subscriber_.devices.size()) {
      if (!next_subscriber()) return nullptr;
    }
    fill(subscriber_.devices[index_++]);
    return &device_;
  }

  std::vector<std::string> attribute_names() {
    Statement names(copy_, "SELECT DISTINCT name FROM attribute WHERE ?1 = 0 OR app = ?1");
    std::vector<std::string> found;
    if (unknown_) return found;
    for (Cursor row = names.rows(app_.value_or(0)); row.next();) found.push_back(row.text(0));
    std::sort(found.begin(), found.end());
    return found;
  }

  double fraction() const {
    if (!rows_ || last_ == 0) return 1;
    return static_cast<double>(id_) / static_cast<double>(last_);
  }
  std::uint64_t without_device() const { return without_device_; }

 private:
  static std::uint64_t last_subscriber(Database& copy) {
    Statement last(copy, "SELECT max(k) FROM sub");
    Cursor row = last.rows();
    return row.next() ? row.natural(0) : 0;
  }

  bool next_subscriber() {
    index_ = 0;
    subscriber_.devices.clear();
    while (rows_) {
      if (!rows_->next()) {
        rows_.reset();
        break;
      }
      id_ = static_cast<std::uint32_t>(rows_->integer(0));
      decode_subscriber(rows_->bytes(1), subscriber_);
      if (app_ && subscriber_.app != *app_) {
        subscriber_.devices.clear();
      } else if (subscriber_.devices.empty()) {
        ++without_device_;
      } else {
        topic_names_.read(subscriber_.topics, topics_);
        return true;
      }
    }
    return false;
  }

  void fill(const Subscriber::Device& device) {
    const DevicePosition position = position_of(id_, device.ordinal);
    HotDevice hot;
    if (!hot_.to(position, hot) || hot.key != position) {
      fail_corrupt("a device that its subscriber still has");
    }
    token_.clear();
    hot_.take_token(token_);
    const auto text = [this](std::uint32_t id) { return tables_.text(id); };
    device_.app =
        app_names_.get(subscriber_.app, [this](std::uint32_t id) { return tables_.app_name(id); });
    device_.device = device.name;
    device_.platform = hot.platform;
    device_.token = token_;
    device_.subscriber = subscriber_.name;
    device_.locale = texts_.get(hot.locale, text);
    device_.timezone = texts_.get(device.timezone, text);
    device_.topics = topics_.names;
    topic_names_.read(device.topics, device_topics_);
    device_.device_topics = device_topics_.names;
    // 0 would say: now.
    device_.last_seen_ms = std::max<std::int64_t>(device.seen_day * kLastSeenStepMs, 1);
    fill_traits(device.traits, position);
  }

  void fill_traits(bool has_any, DevicePosition position) {
    device_.app_version = {};
    device_.attributes = {};
    if (!has_any) return;
    const TraitsAt* found = traits_.to(position);
    if (!found || found->key != position) fail_corrupt("the traits that a device still has");
    view_traits(found->traits, traits_in_view_);
    device_.app_version = traits_in_view_.app_version;
    auto& attributes = traits_in_view_.attributes;
    for (std::size_t i = 0; i < attributes.size(); ++i) {
      attributes[i].name = attribute_names_.get(traits_in_view_.names[i], [this](std::uint32_t id) {
        return tables_.attribute_name(id);
      });
    }
    std::sort(attributes.begin(), attributes.end(),
              [](const AttributeView& a, const AttributeView& b) { return a.name < b.name; });
    device_.attributes = attributes;
  }

  Database& copy_;
  AudienceTables tables_;
  TopicNames topic_names_;
  NumberedTexts app_names_, texts_, attribute_names_;
  HotCursor hot_;
  TraitCursor traits_;
  Statement walk_;
  const std::uint64_t last_;
  std::optional<std::uint32_t> app_;  // nothing: all
  bool unknown_ = false;              // the app has nothing in the store
  std::optional<Cursor> rows_;        // nothing: at the end

  std::uint32_t id_ = 0;
  Subscriber subscriber_;
  std::size_t index_ = 0;  // of its next device
  TopicNames::List topics_, device_topics_;
  std::string token_;
  TraitsView traits_in_view_;
  DeviceRegistration device_;
  std::uint64_t without_device_ = 0;
};

class SqliteDeviceExport final : public DeviceExport {
 public:
  explicit SqliteDeviceExport(DeviceExportSource source) : source_(std::move(source)) {}

  Result<void> begin(const CopyProgress& progress) override {
    return attempt([&] {
      std::optional<SettledFile> settled;
      if (source_.access == Database::Access::kSettled) settled.emplace(source_.path);
      Database from(source_.path, source_.access);
      from.wait_when_busy(source_.busy_wait);
      if (identify(from) == FileState::kEmpty) {
        fail(Error::Kind::kCorrupt,
             fmt::format("{} is empty and not a store: check the path", source_.path));
      }
      copy_.emplace(from, source_.folder, progress);
      if (settled) settled->check();
      walk_.emplace(copy_->database(), source_.app);
    });
  }

  Result<std::vector<std::string>> attribute_names() override {
    std::vector<std::string> names;
    auto read = attempt([&] { names = walk().attribute_names(); });
    if (!read) return tl::unexpected(std::move(read.error()));
    return names;
  }

  Result<const DeviceRegistration*> next() override {
    const DeviceRegistration* device = nullptr;
    auto read = attempt([&] { device = walk().next(); });
    if (!read) return tl::unexpected(std::move(read.error()));
    return device;
  }

  double fraction() const override { return walk_ ? walk_->fraction() : 0; }
  std::uint64_t without_device() const override { return walk_ ? walk_->without_device() : 0; }

 private:
  DeviceWalk& walk() {
    if (!walk_) fail(Error::Kind::kInvalid, "the export has not begun");
    return *walk_;
  }

  template <class Do>
  static Result<void> attempt(Do act) {
    try {
      act();
      return {};
    } catch (const StoreFailure& failure) {
      return tl::unexpected(failure.error);
    }
  }

  const DeviceExportSource source_;
  std::optional<PrivateCopy> copy_;
  std::optional<DeviceWalk> walk_;  // stands on the copy
};

}  // namespace

std::unique_ptr<DeviceExport> make_device_export(DeviceExportSource source) {
  return std::make_unique<SqliteDeviceExport>(std::move(source));
}

}  // namespace carillon::store::sqlite
