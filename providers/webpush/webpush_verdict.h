// What an answer of a Web Push service means (RFC 8030; Mozilla, Apple, Firebase, Windows).
#pragma once

#include <chrono>
#include <cstdint>

#include "providers/push_channel.h"

namespace carillon::push {

enum class WebPushAdvice : std::uint8_t {
  kNone,
  // Our VAPID token was refused: it is wrong itself, or the subscription was made with another key.
  // Only what the service has said to others tells.
  kVapidRefused,
};

struct WebPushJudgement {
  Verdict verdict;  // without the tag
  WebPushAdvice advice = WebPushAdvice::kNone;
};

// Pure. For any answer whatever its body. Only 404 and 410 say that a subscription is gone, and no
// body changes that.
WebPushJudgement judge_webpush(const Answer& answer, std::chrono::system_clock::time_point now);

}  // namespace carillon::push
