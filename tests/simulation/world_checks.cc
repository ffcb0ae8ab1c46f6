// What has to be true of a world, whatever happens in it.
#include <gtest/gtest.h>

#include "storage/event_report.h"
#include "storage/quarantine.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {

// Every device that is handed out was in the event's audience when that was frozen, and comes with
// the identity of the first time.
PatientProvider::Sent World::on_sent(const push::PushTarget& target, std::string_view token,
                                     std::size_t number) {
  const auto [phone, version] = phone_with(token);
  Event& event = events_[number];
  EXPECT_TRUE(event.audience.contains(phone))
      << "phone " << phone << " came after event " << number;
  Delivery& delivery = event.deliveries[phone];
  ++delivery.sent;
  delivery.identities.insert(target.id);
  check_charge(number, phone);
  EXPECT_EQ(delivery.identities.size(), 1u) << "phone " << phone << ", event " << number;
  const Phone& one = phones_[phone];
  const bool dead = one.uninstalled || version != one.version;
  return {.tag = target.tag,
          .phone = phone,
          .version = version,
          .event = number,
          .dead = dead,
          .dead_since_ms = one.uninstalled ? one.uninstalled_ms : now_ms(),
          .silent = happens(random_, plan_.silence)};
}

// A notification that a provider takes twice was taken before a crash and not recorded by then:
// `repeat_bound` of them a crash, at most. What a provider refuses in between is no repeat.
void World::on_accepted(const PatientProvider::Sent& sent) {
  Delivery& delivery = events_[sent.event].deliveries[sent.phone];
  if (++delivery.told_accepted == 1) return;
  ++repeats_;
  EXPECT_LE(repeats_, static_cast<std::uint64_t>(crashes_) * limits_.repeat_bound)
      << "repeated after " << crashes_ << " crashes";
}

// The equation, at every checkpoint: targeted never changes, and what is settled never falls.
void World::check_counters() {
  for (std::size_t number = 0; number < events_.size(); ++number) {
    Event& event = events_[number];
    if (event.id == store::EventId{}) continue;
    const auto record = store_->event(event.id);
    ASSERT_TRUE(record) << record.error().message;
    std::uint64_t targeted = 0, settled = 0, accepted = 0;
    for (const auto& job : record->jobs) {
      targeted += job.counters.targeted;
      settled += job.counters.settled();
      accepted += job.counters.accepted;
      EXPECT_LE(job.counters.settled(), job.counters.targeted);
    }
    EXPECT_EQ(targeted, event.targeted) << "event " << number;
    EXPECT_GE(settled, event.settled) << "event " << number << ": outcomes were taken back";
    event.settled = settled;
    std::uint64_t told = 0;
    for (const auto& [phone, delivery] : event.deliveries) told += delivery.told_accepted > 0;
    EXPECT_LE(accepted, told) << "event " << number << ": more was counted than was said";
  }
  note_quarantine();
}

void World::note_quarantine() {
  for (store::DevicePosition after = 0;;) {
    const auto devices = store_->quarantine("video", after, 1'000);
    ASSERT_TRUE(devices) << devices.error().message;
    if (devices->empty()) return;
    for (const auto& device : *devices) {
      after = device.position;
      const std::size_t phone = std::stoul(device.device.substr(2));
      phones_[phone].quarantined = true;
      leave_running_events(phone);
    }
  }
}

// Nobody is removed but by their own wish or a word about the registration that they have.
void World::check_phones() {
  for (std::size_t phone = 0; phone < phones_.size(); ++phone) {
    const Phone& one = phones_[phone];
    if (!one.registered || one.uninstalled) continue;
    const auto device = store_->device("video", name_of(phone));
    ASSERT_TRUE(device) << "phone " << phone << " was removed and lives";
    EXPECT_EQ(device->token, token_of(phone, one.version)) << "phone " << phone;
  }
  note_quarantine();
}

// Whoever followed the feed knows every failure that is or was stored, every end, every removal.
void World::check_feed() {
  while (!testing::Test::HasFailure() && follower_.read(*store_, 50)) {
  }
  if (follower_.missed()) {
    EXPECT_EQ(outcome_rows_max_, kFewOutcomes) << "rows were forgotten that were to be kept";
    return;
  }
  for (std::size_t number = 0; number < events_.size(); ++number) {
    const Event& event = events_[number];
    std::uint64_t failures = event.charge.replayed;
    for (store::FailureQuery query;;) {
      const auto page = store_->failures(event.id, query);
      ASSERT_TRUE(page) << page.error().message;
      failures += page->failures.size();
      if (!page->next) break;
      query.after = page->next;
    }
    EXPECT_EQ(follower_.failures(event.id), failures) << "event " << number;
    const auto replays = static_cast<std::uint64_t>(event.charge.replays);
    const bool cancelled = event.charge.cancelled;
    EXPECT_EQ(follower_.ends(event.id, store::OutcomeRow::Kind::kCompleted), replays + !cancelled)
        << "event " << number;
    EXPECT_EQ(follower_.ends(event.id, store::OutcomeRow::Kind::kCancelled), cancelled)
        << "event " << number;
  }
  for (std::size_t phone = 0; phone < phones_.size(); ++phone) {
    const Phone& one = phones_[phone];
    if (!one.registered || !one.uninstalled || store_->device("video", name_of(phone))) continue;
    EXPECT_TRUE(follower_.told_removed(name_of(phone))) << "phone " << phone;
  }
}

// Every event is over, each published once, and nobody was forgotten.
void World::check_end() {
  const auto stored = store_->events({}, 100);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->size(), events_.size()) << "a repeated publish made an event of its own";
  for (std::size_t number = 0; number < events_.size(); ++number) {
    const Event& event = events_[number];
    const auto record = store_->event(event.id);
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->state, event.charge.cancelled ? store::EventState::kCancelled
                                                    : store::EventState::kCompleted)
        << "event " << number;
    store::Counters sum;
    for (const auto& job : record->jobs) {
      EXPECT_EQ(job.counters.pending(), 0u) << "event " << number;
      sum.suppressed += job.counters.suppressed;
      sum.expired += job.counters.expired;
      sum.cancelled += job.counters.cancelled;
    }
    EXPECT_GE(sum.cancelled, event.charge.cancelled_least) << "event " << number;
    EXPECT_TRUE(event.charge.cancelled || sum.cancelled == 0) << "event " << number;
    EXPECT_LE(sum.suppressed, event.left.size()) << "event " << number;
    std::uint64_t never_sent = 0;
    for (const std::size_t phone : event.audience) {
      if (event.left.contains(phone)) continue;
      const auto delivery = event.deliveries.find(phone);
      never_sent += delivery == event.deliveries.end();
    }
    EXPECT_LE(never_sent, sum.expired + sum.cancelled)
        << "event " << number << ": phones were lost";
  }
  std::uint64_t unexpected = 0;
  for (const fanout::LaneTotals& totals : totals_) unexpected += totals.answers_unexpected;
  EXPECT_EQ(unexpected, strange_answers_) << "answers that nobody waited for";
  store_.reset();
  const auto problems =
      store::check_sqlite_store((base_ / std::to_string(folder_) / "store.db").string(), true);
  ASSERT_TRUE(problems) << problems.error().message;
  EXPECT_TRUE(problems->empty()) << problems->front();
}

}  // namespace carillon::simulation
