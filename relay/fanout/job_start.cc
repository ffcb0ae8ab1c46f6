#include "relay/fanout/job_start.h"

#include <utility>

#include "relay/fanout/event_id.h"

namespace carillon::fanout {

std::chrono::sys_seconds provider_expiry(std::int64_t expires_ms, bool now_or_never) {
  if (now_or_never) return {};
  return std::chrono::sys_seconds(std::chrono::seconds(expires_ms / 1000));
}

JobStart job_start(store::Job job, Content content) {
  content.notification.event_id = to_string(job.key.event);
  content.notification.priority = static_cast<push::Priority>(job.priority);
  content.notification.expires_at = provider_expiry(job.expires_ms, content.now_or_never);
  const bool now_or_never = content.now_or_never;
  return {.job = std::move(job),
          .notification = std::move(content.notification),
          .localization = std::move(content.localization),
          .now_or_never = now_or_never};
}

}  // namespace carillon::fanout
