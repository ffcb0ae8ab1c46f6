// What an answer of APNs means (Apple, "Handling notification responses from APNs").
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "providers/push_channel.h"

namespace carillon::push {

// What an answer asks of the connection or the credential that it came over.
enum class ApnsAdvice : std::uint8_t {
  kNone,
  kRetireConnection,  // go on elsewhere
  kRenewToken,        // our token has aged: a new one, on a new connection
};

struct ApnsJudgement {
  Verdict verdict;  // without the tag
  ApnsAdvice advice = ApnsAdvice::kNone;
};

// What a request was sent to.
enum class ApnsTopic : std::uint8_t {
  kApps,         // the bundle id: what is said of it is true of every notification
  kOfAPushType,  // with a suffix: an app may have the one without the other
};

// What the answer to `apns_probe` says about our credential. Apple looks at the token that we
// authenticate with before it looks at the device's: who hears of a bad device is known. A topic
// that is not ours is refused as the credential is. Pure.
PlatformWord apns_word(const Verdict& verdict);

// Pure. For any answer but 200, whatever its body. A known reason decides; an unknown one, or none,
// is judged by the status. Only a reason that says so in an answer 410 kills a token.
ApnsJudgement judge_apns(const Answer& answer, std::chrono::system_clock::time_point now,
                         ApnsTopic topic = ApnsTopic::kApps);

}  // namespace carillon::push
