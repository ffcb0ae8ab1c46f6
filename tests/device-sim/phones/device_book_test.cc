#include "device-sim/phones/device_book.h"

#include <gtest/gtest.h>

#include <thread>

namespace device_sim::device_book_test {
namespace {

using std::chrono::milliseconds;
constexpr std::int64_t kNow = 1'800'000'000'000;
constexpr std::int64_t kKeptMs = 60'000;
constexpr std::uint64_t kPopulation = 100;

class DeviceBookTest : public ::testing::Test {
 protected:
  void push(std::uint64_t device, const std::string& event, const std::string& identity = "") {
    const auto record = journal_.open(event);
    record->accept(Platform::kApns, kNow);
    book_.deliver({.device = device,
                   .platform = Platform::kApns,
                   .event = event,
                   .title = "title",
                   .body = "body",
                   .identity = identity,
                   .identity_hash = identity.empty() ? kNeverFolds : collapse_identity(identity),
                   .keep_until_ms = kNow + kKeptMs,
                   .slot = "app"},
                  record, kNow);
  }
  EventCounts counts(const std::string& event) { return journal_.find(event)->counts(); }
  std::uint64_t add_phone() { return book_.add_phones(1, Platform::kApns).value().front().number; }

  Population population_{1, Mix::parse("apns:1,fcm:1").value(), kPopulation};
  Journal journal_{{.devices_max = kPopulation + kPhonesMax}};
  DeviceBook book_{population_};
};

TEST_F(DeviceBookTest, NumbersPhonesBeyondThePopulationAndAlternatesPlatforms) {
  const auto phones = book_.add_phones(3, std::nullopt);
  ASSERT_TRUE(phones);
  EXPECT_EQ((*phones)[0].number, kPopulation + 1);
  EXPECT_EQ((*phones)[2].number, kPopulation + 3);
  EXPECT_EQ((*phones)[0].platform, Platform::kApns);
  EXPECT_EQ((*phones)[1].platform, Platform::kFcm);
  EXPECT_EQ(book_.add_phones(1, Platform::kFcm).value()[0].number, kPopulation + 4);
  EXPECT_EQ(book_.snapshot()->states.size(), 4U);
  EXPECT_FALSE(book_.snapshot()->population_too);
}

TEST_F(DeviceBookTest, MakesAtMostTenThousandPhones) {
  EXPECT_FALSE(book_.add_phones(0, std::nullopt));
  EXPECT_FALSE(book_.add_phones(kPhonesMax + 1, std::nullopt));
  EXPECT_TRUE(book_.add_phones(kPhonesMax, std::nullopt));
  EXPECT_FALSE(book_.add_phones(1, std::nullopt));
}

TEST_F(DeviceBookTest, TellsShownFromReplacedFromFolded) {
  const std::uint64_t phone = add_phone();
  push(phone, "e1", "upload");
  push(phone, "e1", "upload");
  push(phone, "e2", "upload");
  push(phone, "e3");
  push(phone, "e3");
  const auto inbox = book_.inbox(phone);
  ASSERT_EQ(inbox.size(), 5U);
  const Display kExpected[] = {Display::kShown, Display::kFolded, Display::kReplaced,
                               Display::kShown, Display::kShown};
  for (std::size_t i = 0; i < inbox.size(); ++i) EXPECT_EQ(inbox[i].display, kExpected[i]) << i;
  EXPECT_EQ(counts("e1").shown_twice, 0U);
  EXPECT_EQ(counts("e3").shown_twice, 1U);
}

TEST_F(DeviceBookTest, KeepsTheNewestForAPhoneThatIsOffline) {
  const std::uint64_t phone = add_phone();
  ASSERT_TRUE(book_.set_state(phone, false, std::nullopt, kNow));
  push(phone, "e1");
  push(phone, "e2");
  EXPECT_TRUE(book_.inbox(phone).empty());
  EXPECT_EQ(counts("e1").superseded, 1U);
  EXPECT_EQ(counts("e2").waiting, 1U);
  EXPECT_EQ(counts("e2").received, 0U);
  ASSERT_TRUE(book_.set_state(phone, true, std::nullopt, kNow));
  ASSERT_EQ(book_.inbox(phone).size(), 1U);
  EXPECT_EQ(book_.inbox(phone)[0].event, "e2");
  EXPECT_EQ(counts("e2").waiting, 0U);
  EXPECT_EQ(counts("e2").received, 1U);
}

TEST_F(DeviceBookTest, TellsWhatWaitsUntilItsTimeHasPassed) {
  const std::uint64_t phone = add_phone();
  EXPECT_TRUE(book_.waiting(phone, kNow).pushes.empty());
  ASSERT_TRUE(book_.set_state(phone, false, std::nullopt, kNow));
  push(phone, "e1");
  const auto waiting = book_.waiting(phone, kNow + kKeptMs - 1);
  ASSERT_EQ(waiting.pushes.size(), 1U);
  EXPECT_EQ(waiting.pushes[0].event, "e1");
  EXPECT_EQ(waiting.pushes[0].title, "title");
  EXPECT_EQ(waiting.pushes[0].until_ms, kNow + kKeptMs);
  book_.expire(kNow + kKeptMs);
  EXPECT_EQ(counts("e1").waiting, 0U);
  EXPECT_EQ(counts("e1").expired, 1U);
  ASSERT_TRUE(book_.set_state(phone, true, std::nullopt, kNow + kKeptMs));
  EXPECT_TRUE(book_.inbox(phone).empty());
}

TEST_F(DeviceBookTest, AnAppThatIsUninstalledWhileItIsOfflineNeverGetsWhatWaited) {
  const std::uint64_t phone = add_phone();
  ASSERT_TRUE(book_.set_state(phone, false, std::nullopt, kNow));
  push(phone, "e1");
  ASSERT_TRUE(book_.set_state(phone, std::nullopt, true, kNow));
  EXPECT_EQ(counts("e1").dropped, 1U);
  ASSERT_TRUE(book_.set_state(phone, true, false, kNow));
  EXPECT_TRUE(book_.inbox(phone).empty());
}

TEST_F(DeviceBookTest, RemembersWhenAnAppWasUninstalled) {
  ASSERT_TRUE(book_.set_state(5, std::nullopt, true, kNow));
  ASSERT_TRUE(book_.set_state(5, std::nullopt, true, kNow + 1));
  EXPECT_EQ(book_.state(5)->uninstalled_ms, kNow) << "uninstalled once, not again";
  EXPECT_TRUE(book_.snapshot()->population_too);
  ASSERT_TRUE(book_.set_state(5, std::nullopt, false, kNow));
  EXPECT_EQ(book_.state(5)->uninstalled_ms, 0);
  EXPECT_TRUE(book_.snapshot()->states.empty()) << "an ordinary device needs no entry";
}

TEST_F(DeviceBookTest, KnowsNoDeviceBeyondPopulationAndPhones) {
  EXPECT_FALSE(book_.set_state(kPopulation + 1, true, std::nullopt, kNow));
  EXPECT_FALSE(book_.state(0));
  EXPECT_TRUE(book_.state(kPopulation));
}

TEST_F(DeviceBookTest, BoundsInboxAndText) {
  const std::uint64_t phone = add_phone();
  for (std::size_t i = 0; i <= kInboxMessagesMax; ++i) push(phone, "e" + std::to_string(i));
  EXPECT_EQ(book_.inbox(phone).size(), kInboxMessagesMax);
  EXPECT_EQ(book_.inbox(phone).front().event, "e1");
}

TEST_F(DeviceBookTest, BoundsTheLog) {
  const std::uint64_t phone = add_phone();
  for (std::size_t i = 0; i <= kMessageLogMax; ++i) push(phone, "e");
  const auto messages = book_.messages_after(0, milliseconds(0));
  ASSERT_EQ(messages.size(), kMessageLogMax);
  EXPECT_EQ(messages.front().sequence, 2U);
}

TEST_F(DeviceBookTest, WakesWhoWaitsForMessages) {
  const std::uint64_t phone = add_phone();
  std::thread sender([&] { push(phone, "e1"); });
  const auto messages = book_.messages_after(0, std::chrono::minutes(1));
  sender.join();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_TRUE(book_.messages_after(messages[0].sequence, milliseconds(0)).empty());
}

TEST_F(DeviceBookTest, EndsAllWaitsWhenStopped) {
  std::thread stopper([&] { book_.stop_waiting(); });
  EXPECT_TRUE(book_.messages_after(0, std::chrono::minutes(1)).empty());
  stopper.join();
  EXPECT_TRUE(book_.messages_after(0, std::chrono::minutes(1)).empty());
}

}  // namespace
}  // namespace device_sim::device_book_test
