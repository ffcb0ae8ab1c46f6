#include "relay/api/recent.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>

namespace carillon::api {
namespace {

using std::chrono::milliseconds;

class RecentTest : public testing::Test {
 protected:
  int next() { return ++made_; }

  Recent<int> recent_{milliseconds(1'000)};
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
  int made_ = 0;
};

TEST_F(RecentTest, MakesAValueAgainOnlyWhenItIsTooOld) {
  const auto get = [this] { return recent_.get(now_, [this] { return next(); }); };
  EXPECT_EQ(get(), 1);
  now_ += milliseconds(1'000);
  EXPECT_EQ(get(), 1);
  now_ += milliseconds(1);
  EXPECT_EQ(get(), 2);
}

TEST_F(RecentTest, AnswersTheOldValueWhileANewOneIsSlowToMake) {
  recent_.get(now_, [this] { return next(); });
  now_ += milliseconds(2'000);
  std::promise<void> begun;
  std::promise<void> done;
  std::thread slow([&] {
    recent_.get(now_, [&] {
      begun.set_value();
      done.get_future().wait();
      return 99;
    });
  });
  begun.get_future().wait();
  EXPECT_EQ(recent_.get(now_, [this] { return next(); }), 1);
  done.set_value();
  slow.join();
  EXPECT_EQ(recent_.get(now_, [this] { return next(); }), 99);
}

TEST_F(RecentTest, TriesAgainAfterAFailure) {
  recent_.get(now_, [this] { return next(); });
  now_ += milliseconds(2'000);
  EXPECT_THROW(recent_.get(now_, []() -> int { throw std::runtime_error("x"); }),
               std::runtime_error);
  EXPECT_EQ(recent_.get(now_, [this] { return next(); }), 2);
}

}  // namespace
}  // namespace carillon::api
