// A store for import and CLI tests: remembers devices and keys in memory, fails where a test says
// so, and is asked for nothing else.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/device_export.h"
#include "storage/event_report.h"
#include "storage/outcome_feed.h"
#include "storage/quarantine.h"
#include "storage/store.h"

namespace carillon::import {

class MemoryStore : public store::Store {
 public:
  using Name = std::pair<std::string, std::string>;  // app, device
  std::map<Name, store::DeviceRecord> devices;
  std::map<std::string, store::ApiKey> api_keys;
  std::vector<std::size_t> batches;  // devices of each put_devices that went through
  // Asked before each put_devices; an error is its answer.
  std::function<std::optional<store::Error>()> refuse_batch;
  std::function<store::Result<store::AudienceCount>(std::string_view, const store::Audience&)>
      count_audience;
  std::function<store::Result<store::CompactionStep>(const store::CompactionPlace&, std::size_t)>
      compact_step;
  std::function<store::Result<store::StoreStats>()> tell_stats;
  std::string refused_device;  // the one that the store itself finds invalid

  store::Result<std::vector<store::Result<store::Registered>>> put_devices(
      std::span<const store::DeviceRegistration> registrations, std::int64_t now_ms) override {
    if (refuse_batch) {
      if (auto error = refuse_batch()) return tl::unexpected(*error);
    }
    std::vector<store::Result<store::Registered>> results;
    for (const auto& registration : registrations) results.push_back(put(registration, now_ms));
    batches.push_back(registrations.size());
    return results;
  }

  store::Result<void> put_key(const store::ApiKey& key) override {
    if (!api_keys.emplace(key.name, key).second) {
      return tl::unexpected(store::Error{.kind = store::Error::Kind::kInvalid,
                                         .message = "there is a key of that name already"});
    }
    return {};
  }
  store::Result<std::vector<store::ApiKey>> keys() override {
    std::vector<store::ApiKey> all;
    for (const auto& [name, key] : api_keys) all.push_back(key);
    return all;
  }
  store::Result<void> revoke_key(std::string_view name, std::int64_t now_ms) override {
    const auto key = api_keys.find(std::string(name));
    if (key == api_keys.end()) {
      return tl::unexpected(store::Error{.kind = store::Error::Kind::kNotFound,
                                         .message = "there is no key of that name"});
    }
    key->second.revoked_ms = now_ms;
    return {};
  }

  store::Result<store::Registered> put_device(const store::DeviceRegistration&,
                                              std::int64_t) override {
    return unasked();
  }
  store::Result<store::DeviceRecord> device(std::string_view, std::string_view) override {
    return unasked();
  }
  store::Result<store::ErasedCounts> erase_device(std::string_view, std::string_view) override {
    return unasked();
  }
  store::Result<store::ErasedCounts> erase_subscriber(std::string_view, std::string_view) override {
    return unasked();
  }
  store::Result<bool> subscribe(std::string_view, std::string_view, std::string_view,
                                std::int64_t) override {
    return unasked();
  }
  store::Result<bool> unsubscribe(std::string_view, std::string_view, std::string_view) override {
    return unasked();
  }
  store::Result<bool> subscribe_device(std::string_view, std::string_view,
                                       std::string_view) override {
    return unasked();
  }
  store::Result<bool> unsubscribe_device(std::string_view, std::string_view,
                                         std::string_view) override {
    return unasked();
  }
  store::Result<store::StaleSweep> sweep_stale(std::string_view, store::StaleAction, std::int64_t,
                                               store::DevicePosition, std::size_t) override {
    return unasked();
  }
  store::Result<std::vector<store::QuarantinedDevice>> quarantine(std::string_view,
                                                                  store::DevicePosition,
                                                                  std::size_t) override {
    return unasked();
  }
  store::Result<store::PlatformCounts> count_quarantine(std::string_view) override {
    return unasked();
  }
  store::Result<store::QuarantineStep> decide_quarantine(std::string_view, store::QuarantineAction,
                                                         std::optional<store::Platform>,
                                                         store::DevicePosition,
                                                         std::size_t) override {
    return unasked();
  }
  store::Result<store::QuarantineStep> decide_quarantine(std::string_view, store::QuarantineAction,
                                                         std::span<const std::string>) override {
    return unasked();
  }
  store::Result<store::AudienceCount> count(std::string_view app,
                                            const store::Audience& audience) override {
    if (count_audience) return count_audience(app, audience);
    return unasked();
  }
  store::Result<std::unique_ptr<store::DeviceExport>> export_devices(std::string_view) override {
    return unasked();
  }
  store::Result<store::TopicRecord> topic(std::string_view, std::string_view) override {
    return unasked();
  }
  void accept(store::NewEvent,
              std::function<void(store::Result<store::AcceptedEvent>)> done) override {
    done(unasked());
  }
  store::Result<store::EventRecord> event(const store::EventId&) override { return unasked(); }
  store::Result<std::vector<store::EventRecord>> events(const store::EventId&,
                                                        std::size_t) override {
    return unasked();
  }
  store::Result<std::vector<store::Job>> unfinished_jobs() override { return unasked(); }
  store::Result<std::vector<store::Job>> jobs(const store::EventId&) override { return unasked(); }
  store::Result<std::unique_ptr<store::AudienceScan>> scan(const store::JobKey&) override {
    return unasked();
  }
  store::Result<DueRetries> due_retries(const store::JobKey&, std::int64_t, std::size_t,
                                        std::span<const store::DevicePosition>) override {
    return unasked();
  }
  void record(std::vector<store::Checkpoint>, std::int64_t,
              std::function<void(store::Result<void>)> done) override {
    done(unasked());
  }
  store::Result<store::FailurePage> failures(const store::EventId&,
                                             const store::FailureQuery&) override {
    return unasked();
  }
  store::Result<store::DeviceFate> explain(const store::EventId&, std::string_view) override {
    return unasked();
  }
  store::Result<store::OutcomePage> outcomes(std::uint64_t, std::size_t) override {
    return unasked();
  }
  store::Result<std::uint64_t> forget_outcomes(std::int64_t) override { return unasked(); }
  store::Result<store::Replayed> replay(const store::EventId&, const store::ReplayWish&,
                                        std::int64_t) override {
    return unasked();
  }
  store::Result<std::uint64_t> forget_idempotency_keys(std::int64_t) override { return unasked(); }
  store::Result<store::CompactionStep> compact(const store::CompactionPlace& place,
                                               std::size_t bytes) override {
    if (compact_step) return compact_step(place, bytes);
    return unasked();
  }
  store::Result<void> check_writable() override { return unasked(); }
  store::Result<store::StoreStats> stats() override {
    if (tell_stats) return tell_stats();
    return unasked();
  }

 private:
  static tl::unexpected<store::Error> unasked() {
    ADD_FAILURE() << "this test's store was asked for what it does not do";
    return tl::unexpected(store::Error{.kind = store::Error::Kind::kIo, .message = "not here"});
  }

  static std::vector<store::Attribute> owned(std::span<const store::AttributeView> attributes) {
    std::vector<store::Attribute> all;
    for (const store::AttributeView& attribute : attributes) {
      store::Attribute& one = all.emplace_back();
      one.name = attribute.name;
      if (const auto* yes = std::get_if<bool>(&attribute.value)) one.value = *yes;
      if (const auto* number = std::get_if<double>(&attribute.value)) one.value = *number;
      if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
        one.value = std::string(*text);
      }
      if (const auto* list = std::get_if<std::span<const std::string_view>>(&attribute.value)) {
        one.value = std::vector<std::string>(list->begin(), list->end());
      }
    }
    return all;
  }

  store::Result<store::Registered> put(const store::DeviceRegistration& registration,
                                       std::int64_t now_ms) {
    if (registration.device == refused_device) {
      return tl::unexpected(store::Error{.kind = store::Error::Kind::kInvalid,
                                         .message = "device: the store does not want it"});
    }
    store::DeviceRecord record{
        .device = std::string(registration.device),
        .platform = registration.platform,
        .token = std::string(registration.token),
        .subscriber = std::string(registration.subscriber),
        .locale = std::string(registration.locale),
        .timezone = std::string(registration.timezone),
        .topics = {registration.topics.begin(), registration.topics.end()},
        .device_topics = {registration.device_topics.begin(), registration.device_topics.end()},
        .app_version = std::string(registration.app_version),
        .attributes = owned(registration.attributes),
        .registered_ms = now_ms,
        .last_seen_ms = registration.last_seen_ms,
    };
    const Name name(registration.app, registration.device);
    const auto [at, created] = devices.try_emplace(name, record);
    if (created) return store::Registered::kCreated;
    if (at->second.token == record.token && at->second.topics == record.topics) {
      return store::Registered::kUnchanged;
    }
    at->second = std::move(record);
    return store::Registered::kUpdated;
  }
};

}  // namespace carillon::import
