#include "providers/thread_slice.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace carillon::push {
namespace {

// As in sched_setattr(2), its first version. Not from a header: glibc has it since 2.41, Linux's
// own cannot be included beside <sched.h> everywhere.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

// 0 is the calling thread.
bool read_attributes(SchedulingAttributes& attributes) noexcept {
  return syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0;
}

}  // namespace

std::chrono::nanoseconds take_turns_of(std::chrono::nanoseconds slice) noexcept {
  SchedulingAttributes attributes;
  if (!read_attributes(attributes) || attributes.policy != SCHED_OTHER) return {};
  attributes.size = sizeof attributes;
  attributes.runtime_ns = static_cast<std::uint64_t>(slice.count());
  if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0 || !read_attributes(attributes)) return {};
  return std::chrono::nanoseconds(attributes.runtime_ns);
}

}  // namespace carillon::push
