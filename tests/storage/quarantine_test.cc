// The contract of the quarantine, on a store in a file.
#include "storage/quarantine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/storage/store_fixture.h"

namespace carillon::store::quarantine_test {
namespace {

constexpr std::int64_t kRegistered = 1'000;

class Quarantine : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    store_.reset();
    auto opened = open_sqlite_store({.path = folder_.file("store.db")});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }
  void TearDown() override {
    store_.reset();
    const auto problems = check_sqlite_store(folder_.file("store.db"), true);
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
  void put(const std::string& device, const std::string& token, Platform platform = Platform::kApns,
           std::int64_t now_ms = kRegistered, std::int64_t last_seen_ms = 0,
           std::string_view app = "video", bool by_app = false) {
    const std::string_view topics[] = {"news"};
    const auto stored = store_->put_device({.app = app,
                                            .device = device,
                                            .platform = platform,
                                            .token = token,
                                            .subscriber = "u-" + device,
                                            .topics = topics,
                                            .last_seen_ms = last_seen_ms,
                                            .by_app = by_app},
                                           now_ms);
    ASSERT_TRUE(stored) << stored.error().message;
  }
  // An event to the topic; its devices by the jobs' scans.
  std::vector<ScannedDevice> accept(std::uint32_t number, Platform platform = Platform::kApns,
                                    std::string app = "video") {
    const auto accepted = store_->accept({.id = event_id(number),
                                          .app = std::move(app),
                                          .audience = {.topics = {"news"}},
                                          .content = "{}",
                                          .accepted_ms = 2'000,
                                          .expires_ms = 9'000});
    EXPECT_TRUE(accepted) << accepted.error().message;
    targeted_ = accepted->targeted;
    if (targeted_[static_cast<std::size_t>(platform) - 1] == 0) return {};
    return scan_all(*store_, {event_id(number), platform});
  }
  void quarantine(std::uint32_t event, const std::vector<ScannedDevice>& devices,
                  Platform platform = Platform::kApns, std::int64_t dead_since_ms = 5'000) {
    Checkpoint checkpoint{.job = {event_id(event), platform}};
    for (const auto& device : devices) {
      checkpoint.quarantined.push_back(
          {.position = device.position, .dead_since_ms = dead_since_ms, .reason = "Unregistered"});
    }
    const auto recorded = record_now(*store_, {checkpoint}, 7'000);
    ASSERT_TRUE(recorded) << recorded.error().message;
  }
  std::vector<std::string> listed(DevicePosition after = 0, std::size_t limit = 100) {
    std::vector<std::string> names;
    const auto devices = store_->quarantine("video", after, limit);
    EXPECT_TRUE(devices) << devices.error().message;
    for (const auto& device : *devices) names.push_back(device.device);
    return names;
  }
  QuarantineStep decide(QuarantineAction action, std::optional<Platform> platform = std::nullopt) {
    const auto step = store_->decide_quarantine("video", action, platform, 0, kQuarantineBatchMax);
    EXPECT_TRUE(step) << step.error().message;
    return *step;
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<Store> store_;
  PlatformCounts targeted_{};
};

using Names = std::vector<std::string>;

TEST_F(Quarantine, KeepsTheDeviceLeavesItOutAndRemembersWhyAcrossARestart) {
  put("d-1", "a1");
  put("d-2", "a2");
  const auto devices = accept(1);
  quarantine(1, {devices[0]});
  open();
  const auto found = store_->quarantine("video", 0, 10);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (std::vector<QuarantinedDevice>{{.position = devices[0].position,
                                                     .device = "d-1",
                                                     .platform = Platform::kApns,
                                                     .reason = "Unregistered",
                                                     .dead_since_ms = 5'000,
                                                     .at_ms = 7'000}}));
  const auto device = store_->device("video", "d-1");
  ASSERT_TRUE(device);
  EXPECT_TRUE(device->quarantined);
  EXPECT_FALSE(device->stale) << "told apart from who was not heard of";
  EXPECT_EQ(device->token, "a1");
  EXPECT_EQ(device->topics, Names{"news"});
  EXPECT_EQ(store_->stats()->quarantined, 1u);
  EXPECT_EQ(scan_all(*store_, {event_id(1), Platform::kApns}).size(), 1u);
  EXPECT_EQ(accept(2).size(), 1u);
  EXPECT_EQ(targeted_[0], 1u);
}

TEST_F(Quarantine, BelievesNoWordThatIsOlderThanTheRegistration) {
  put("d-1", "a1");
  const auto devices = accept(1);
  quarantine(1, devices, Platform::kApns, kRegistered);
  EXPECT_EQ(listed(), Names{});
  quarantine(1, devices, Platform::kApns, kRegistered + 1);
  EXPECT_EQ(listed(), Names{"d-1"});
}

TEST_F(Quarantine, TheAppsRegistrationTakesTheDeviceOutAsYoungAsANewOne) {
  put("d-1", "a1");
  quarantine(1, accept(1));
  put("d-1", "a1", Platform::kApns, 8'000, 0, "video", /*by_app=*/true);
  EXPECT_EQ(listed(), Names{});
  EXPECT_FALSE(store_->device("video", "d-1")->quarantined);
  EXPECT_TRUE(scan_all(*store_, {event_id(1), Platform::kApns}).empty())
      << "the event went on without it";
  EXPECT_EQ(accept(2).size(), 1u);
}

TEST_F(Quarantine, AnImportWithTheSameTokenLeavesItThereAndANewTokenDoesNot) {
  put("d-1", "a1");
  quarantine(1, accept(1));
  put("d-1", "a1", Platform::kApns, kRegistered + 2 * kLastSeenStepMs);
  EXPECT_EQ(listed(), Names{"d-1"}) << "it does not say that the device was seen";
  put("d-1", "a1", Platform::kApns, 8'000, /*last_seen_ms=*/500);
  EXPECT_EQ(listed(), Names{"d-1"});
  put("d-1", "a1-new", Platform::kApns, 8'000, /*last_seen_ms=*/500);
  EXPECT_EQ(listed(), Names{});
}

TEST_F(Quarantine, RestoresWhoIsNamedOrAllOfAPlatform) {
  for (int i = 0; i < 5; ++i) put("a-" + std::to_string(i), "a" + std::to_string(i));
  for (int i = 0; i < 3; ++i)
    put("f-" + std::to_string(i), "f" + std::to_string(i), Platform::kFcm);
  const auto apns = accept(1);
  quarantine(1, apns);
  quarantine(1, scan_all(*store_, {event_id(1), Platform::kFcm}), Platform::kFcm);
  EXPECT_EQ(store_->count_quarantine("video").value(), (PlatformCounts{5, 3, 0}));
  const std::vector<std::string> named = {"a-1", "nobody", "f-0"};
  EXPECT_EQ(store_->decide_quarantine("video", QuarantineAction::kRestore, named)->devices, 2u);
  EXPECT_EQ(store_->count_quarantine("video").value(), (PlatformCounts{4, 2, 0}));
  EXPECT_EQ(decide(QuarantineAction::kRestore, Platform::kFcm).devices, 2u);
  EXPECT_EQ(listed(), (Names{"a-0", "a-2", "a-3", "a-4"}));
  EXPECT_EQ(accept(2).size(), 1u);
  EXPECT_EQ(targeted_, (PlatformCounts{1, 3, 0}));
}

TEST_F(Quarantine, AConfirmedDeviceIsGone) {
  put("d-1", "a1");
  put("d-2", "a2");
  const auto devices = accept(1);
  quarantine(1, {devices[0]});
  EXPECT_EQ(decide(QuarantineAction::kConfirm).devices, 1u);
  EXPECT_FALSE(store_->device("video", "d-1"));
  EXPECT_TRUE(store_->device("video", "d-2"));
  EXPECT_EQ(listed(), Names{});
}

TEST_F(Quarantine, AnErasureTakesItsRowAlong) {
  put("d-1", "a1");
  put("d-2", "a2");
  put("d-3", "a3");
  put("d-4", "a4");
  quarantine(1, accept(1));
  ASSERT_TRUE(store_->erase_device("video", "d-1"));
  ASSERT_TRUE(store_->erase_subscriber("video", "u-d-2"));
  put("d-5", "a3", Platform::kApns, 8'000);  // takes the token, and so the device's place
  EXPECT_EQ(listed(), Names{"d-4"});
  const std::string_view topics[] = {"news"};
  ASSERT_TRUE(store_->put_device({.app = "video",
                                  .device = "d-4",
                                  .platform = Platform::kApns,
                                  .token = "a4",
                                  .subscriber = "u-other",
                                  .topics = topics},
                                 8'000));
  EXPECT_EQ(listed(), Names{}) << "at another subscriber's it is another registration";
}

TEST_F(Quarantine, IsReadAndDecidedByPagesOfTheAppsOwn) {
  for (int i = 0; i < 7; ++i) put("d-" + std::to_string(i), "a" + std::to_string(i));
  put("m-0", "m0", Platform::kApns, kRegistered, 0, "mail");
  quarantine(1, accept(1));
  quarantine(2, accept(2, Platform::kApns, "mail"));
  const auto first = store_->quarantine("video", 0, 3);
  ASSERT_EQ(first->size(), 3u);
  EXPECT_EQ(listed(first->back().position, 100).size(), 4u);
  QuarantineStep step;
  int steps = 0;
  std::uint64_t devices = 0;
  do {
    step =
        store_
            ->decide_quarantine("video", QuarantineAction::kRestore, std::nullopt, step.through, 3)
            .value();
    devices += step.devices;
    ++steps;
  } while (!step.end);
  EXPECT_EQ(devices, 7u);
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(store_->count_quarantine("mail").value(), (PlatformCounts{1, 0, 0}));
  EXPECT_EQ(store_->count_quarantine("nothing").value(), PlatformCounts{});
}

TEST_F(Quarantine, AStoreOfFormat2GetsOneForItsRunningEvents) {
  store_.reset();
  std::filesystem::remove(folder_.file("store.db"));
  const std::string command = "gzip -dc '" + std::string(CARILLON_OLD_STORES) +
                              "/format_2.db.gz' > '" + folder_.file("store.db") + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  open();
  EXPECT_EQ(store_->count_quarantine("video").value(), PlatformCounts{});
  const JobKey job{event_id(0x01000000), Platform::kApns};
  const auto devices = scan_all(*store_, job);
  ASSERT_FALSE(devices.empty());
  const std::int64_t later = 4'000'000'000'000;
  Checkpoint checkpoint{.job = job, .cursor = store_->jobs(job.event)->front().cursor};
  checkpoint.quarantined = {{.position = devices.front().position, .dead_since_ms = later}};
  const auto recorded = record_now(*store_, {checkpoint}, later);
  ASSERT_TRUE(recorded) << recorded.error().message;
  EXPECT_EQ(store_->count_quarantine("video").value(), (PlatformCounts{1, 0, 0}));
  EXPECT_EQ(scan_all(*store_, job).size(), devices.size() - 1);
}

TEST_F(Quarantine, TheAppsOwnRegistrationIsNotedEvenIfItChangesNothing) {
  put("d-1", "a1");
  const auto again = [&](bool by_app, std::int64_t now_ms) {
    return store_->put_device({.app = "video",
                               .device = "d-1",
                               .platform = Platform::kApns,
                               .token = "a1",
                               .subscriber = "u-d-1",
                               .by_app = by_app},
                              now_ms);
  };
  EXPECT_EQ(again(false, 2'000).value(), Registered::kUnchanged);
  EXPECT_EQ(store_->device("video", "d-1")->registered_ms, kRegistered);
  EXPECT_EQ(again(true, 2'000).value(), Registered::kUpdated);
  EXPECT_EQ(store_->device("video", "d-1")->registered_ms, 2'000);
  EXPECT_EQ(again(true, 1'500).value(), Registered::kUnchanged) << "never backwards";
  EXPECT_EQ(store_->device("video", "d-1")->registered_ms, 2'000);
}

}  // namespace
}  // namespace carillon::store::quarantine_test
