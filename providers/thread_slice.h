// How long a thread's turns on a processor are.
#pragma once

#include <chrono>

namespace carillon::push {

// A thread that a bulk send keeps busy gives up the processor to whoever wakes with less to do: to
// a thread that answers a publish, or writes it to the disk, and in a fraction of a millisecond
// sleeps again. With turns as long as theirs each of the five or six hops from a POST to its answer
// would wait until such a thread's turn is over.
inline constexpr std::chrono::milliseconds kBusyThreadSlice{10};

// Asks for turns of this length for the calling thread; its share of the processor stays the same.
// 0.1 to 100 ms, Linux 6.12 and later (sched_setattr(2): sched_runtime of SCHED_OTHER). Elsewhere,
// and under another policy, nothing changes. The length that holds now; 0: it cannot be asked for.
std::chrono::nanoseconds take_turns_of(std::chrono::nanoseconds slice) noexcept;

}  // namespace carillon::push
