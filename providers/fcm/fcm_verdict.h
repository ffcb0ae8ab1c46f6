// What an answer of FCM's HTTP v1 API means (Firebase, "ErrorCode" and "FCM error codes").
#pragma once

#include <chrono>
#include <cstdint>

#include "providers/push_channel.h"

namespace carillon::push {

enum class FcmAdvice : std::uint8_t {
  kNone,
  kRefreshToken,  // our access token was refused
};

struct FcmJudgement {
  Verdict verdict;  // without the tag
  FcmAdvice advice = FcmAdvice::kNone;
};

// What the answer to `fcm_probe` says about our credential: whatever Google finds wrong with the
// message, it has let us in to say it. Pure.
PlatformWord fcm_word_on_us(const Verdict& verdict);
// What the answer to `fcm_validation` says about the message. Pure.
PlatformWord fcm_word_on_message(const Verdict& verdict);

// Pure. For any answer but 200, whatever its body. The FcmError in `error.details` decides; without
// one the status does, and then no token is dead.
FcmJudgement judge_fcm(const Answer& answer, std::chrono::system_clock::time_point now);

}  // namespace carillon::push
