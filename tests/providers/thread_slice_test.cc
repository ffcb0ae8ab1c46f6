#include "providers/thread_slice.h"

#include <gtest/gtest.h>

#include <thread>

namespace carillon::push {
namespace {

using namespace std::chrono_literals;

TEST(ThreadSlice, IsWhatWasAskedForAndOfTheCallingThreadAlone) {
  std::chrono::nanoseconds asked{}, others{};
  std::thread([&] {
    asked = take_turns_of(kBusyThreadSlice);
    std::thread([&] { others = take_turns_of(2ms); }).join();
  }).join();
  if (asked == 0ns) GTEST_SKIP() << "this kernel does not let a thread ask";
  EXPECT_EQ(asked, kBusyThreadSlice);
  EXPECT_EQ(others, 2ms);
}

TEST(ThreadSlice, StaysWithinWhatTheKernelGives) {
  std::chrono::nanoseconds shortest{}, longest{};
  std::thread([&] {
    shortest = take_turns_of(1us);
    longest = take_turns_of(10s);
  }).join();
  if (shortest == 0ns) GTEST_SKIP() << "this kernel does not let a thread ask";
  EXPECT_EQ(shortest, 100us);
  EXPECT_EQ(longest, 100ms);
}

}  // namespace
}  // namespace carillon::push
