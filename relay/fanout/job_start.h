// A stored job and its event's content, as the dispatcher takes them up.
#pragma once

#include <chrono>
#include <cstdint>

#include "relay/fanout/dispatcher.h"
#include "relay/fanout/notification_codec.h"

namespace carillon::fanout {

// What a provider is told of the event's time; zero: now or never.
std::chrono::sys_seconds provider_expiry(std::int64_t expires_ms, bool now_or_never);

JobStart job_start(store::Job job, Content content);

}  // namespace carillon::fanout
