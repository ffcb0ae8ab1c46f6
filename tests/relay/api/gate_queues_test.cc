#include "relay/api/gate_queues.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

namespace carillon::api::gate_queues_test {
namespace {

using namespace std::chrono_literals;

std::vector<std::unique_ptr<Connection>> connections(std::size_t count) {
  std::vector<std::unique_ptr<Connection>> made;
  for (std::size_t i = 0; i < count; ++i) made.push_back(std::make_unique<Connection>(-1));
  return made;
}

TEST(ReturnTray, AsksForAWakeWithTheFirstThatComesBackAndNotWithThoseAfterIt) {
  const auto made = connections(3);
  ReturnTray tray;
  std::vector<Connection*> taken;
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(tray.put(*made[0]));
    EXPECT_FALSE(tray.put(*made[1]));
    EXPECT_FALSE(tray.put(*made[2]));
    taken.clear();
    tray.take(taken);
    EXPECT_EQ(taken, (std::vector<Connection*>{made[0].get(), made[1].get(), made[2].get()}));
  }
}

TEST(ReturnTray, LosesNoneThoughItsTakerSleepsUntilItIsWoken) {
  constexpr int kGivers = 4, kEach = 2'000;
  const auto made = connections(kGivers);
  ReturnTray tray;
  std::counting_semaphore<> wakes(0);
  std::vector<std::thread> givers;
  for (int t = 0; t < kGivers; ++t) {
    givers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        if (tray.put(*made[static_cast<std::size_t>(t)])) wakes.release();
      }
    });
  }
  int seen = 0;
  std::vector<Connection*> taken;
  while (seen < kGivers * kEach) {
    ASSERT_TRUE(wakes.try_acquire_for(20s)) << seen << " were seen, and nobody woke the taker";
    taken.clear();
    tray.take(taken);
    seen += static_cast<int>(taken.size());
  }
  for (std::thread& giver : givers) giver.join();
  EXPECT_EQ(seen, kGivers * kEach);
}

TEST(ReadyQueue, GivesEachToOneWorkerInTheirOrderAndEndsWhenItIsClosed) {
  const auto made = connections(3);
  ReadyQueue queue;
  for (const auto& connection : made) queue.put(*connection);
  queue.close();
  ReadyQueue::Place place;
  for (const auto& connection : made) EXPECT_EQ(queue.take(place), connection.get());
  EXPECT_EQ(queue.take(place), nullptr);
}

// Each worker that takes one is held until all are taken: if one of them did not wake the next,
// nobody would.
TEST(ReadyQueue, WakesAsManyWorkersAsItHasWorkForThoughEachIsHeldUp) {
  constexpr std::size_t kWorkers = 8, kRounds = 200;
  const auto made = connections(kWorkers);
  ReadyQueue queue;
  std::atomic<std::size_t> taken{0};
  std::deque<ReadyQueue::Place> places(kWorkers);
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&, i] {
      ReadyQueue::Place& place = places[i];
      while (queue.take(place) != nullptr) {
        const std::size_t round_ends = (taken++ / kWorkers + 1) * kWorkers;
        for (std::size_t now = taken; now < round_ends; now = taken) taken.wait(now);
        taken.notify_all();
      }
    });
  }
  bool stuck = false;
  for (std::size_t round = 1; round <= kRounds && !stuck; ++round) {
    for (const auto& connection : made) queue.put(*connection);
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (taken < round * kWorkers && !stuck) {
      stuck = std::chrono::steady_clock::now() > deadline;
      std::this_thread::yield();
    }
  }
  EXPECT_FALSE(stuck) << taken << " were taken";
  taken += kWorkers * kRounds;  // lets go of whoever is still held
  taken.notify_all();
  queue.close();
  for (std::thread& worker : workers) worker.join();
}

}  // namespace
}  // namespace carillon::api::gate_queues_test
