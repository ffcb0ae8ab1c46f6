// The contract of a push provider: batches of targets in, exactly one verdict out for each.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "providers/broadcast_channel.h"
#include "providers/notification.h"

namespace carillon::push {

// One event as one platform wants it: rendered once, sent to every device. Immutable when shared.
struct RenderedMessage {
  struct Header {
    std::string name;  // lower case
    std::string value;
  };
  // Without what differs by device (path, apns-id) or by connection (authorization, authority).
  std::vector<Header> headers;
  // The body is `body` with the device's token inserted at `token_at`; npos: the token is not part
  // of the body. The token's alphabet needs no JSON escaping (each platform checks that it does
  // not before it sends).
  std::string body;
  std::size_t token_at = std::string::npos;
};

// Why a notification cannot be rendered for a platform: the publisher's mistake.
struct RenderError {
  std::string pointer;  // RFC 6901, into the published event: "/notification/title"
  std::string message;
};

// One device of a batch.
struct PushTarget {
  std::uint64_t tag = 0;              // the caller's; comes back in the verdict, means nothing here
  std::array<std::uint8_t, 16> id{};  // identity of (event, device); a repeat carries the same one
  std::uint32_t token_offset = 0;     // into PushBatch::tokens
  std::uint32_t token_length = 0;
};

struct Verdict;

// Devices that get the same message. Owns its tokens; moved into the provider.
struct PushBatch {
  std::shared_ptr<const RenderedMessage> message;
  std::vector<PushTarget> targets;
  std::string tokens;
  bool urgent = false;  // goes before what is queued of batches that are not
  // Many of its tokens are refused: it goes on a connection of its own if there may be several, and
  // behind all others if there may not. Counts more than `urgent`.
  bool doubtful = false;
  // Set by providers themselves, for their questions: hears of the verdicts in the sink's place,
  // one by one, on the loop's thread; must not block nor throw.
  std::function<void(const Verdict&)> told = {};

  std::string_view token(const PushTarget& target) const {
    return std::string_view(tokens).substr(target.token_offset, target.token_length);
  }
};

// What is known after a request: a fact about the answer, not yet a decision.
enum class VerdictKind : std::uint8_t {
  kAccepted,       // the provider said yes
  kTokenDead,      // the provider's explicit word that the token is gone; `since` if it told when
  kTokenUnusable,  // not a token of this app, key or environment: may be our mistake, not the
                   // device's
  kThrottled,      // too much: `scope` says for whom; `retry_after` if told
  kUnavailable,    // the provider cannot now (5xx); `retry_after` if told
  kNotificationRefused,  // this message will never be taken for this device
  kCredentialRefused,    // our key, token or certificate: no notification passes until it is mended
  kNotSent,              // the provider has certainly not processed it: free to send again
  kUnanswered,           // sent, and nobody knows: sending again may repeat it
};

enum class ThrottleScope : std::uint8_t { kNone, kDevice, kTopic, kProject, kCredential };

struct Verdict {
  std::uint64_t tag = 0;
  VerdictKind kind = VerdictKind::kUnanswered;
  ThrottleScope scope = ThrottleScope::kNone;
  std::uint16_t status = 0;                // HTTP status, 0 if none came
  std::chrono::seconds retry_after{-1};    // negative: not told
  std::chrono::milliseconds since_ms{-1};  // since the epoch; kTokenDead only; negative: not told
  // The vendor's word ("BadDeviceToken", "UNREGISTERED") or ours for what never came to an answer
  // ("ConnectionLost", "Timeout"); empty if accepted. At most kReasonBytesMax, printable ASCII.
  std::string reason;
};
inline constexpr std::size_t kReasonBytesMax = 64;

// Takes verdicts. Called on a provider's loop thread, a batch at a time; must not block nor throw.
class VerdictSink {
 public:
  virtual ~VerdictSink() = default;
  virtual void on_verdicts(std::span<const Verdict> verdicts) noexcept = 0;
};

// A snapshot for readiness, metrics and the operator's eye.
struct ProviderHealth {
  std::size_t connections = 0;   // established
  std::size_t stream_slots = 0;  // requests that the peers allow at once
  std::size_t in_flight = 0;     // requests on the wire
  std::size_t queued = 0;        // submitted, not yet on the wire
  std::string last_error;  // why the latest connection or credential failed; empty if none did
  // When the credential ends for good, as a certificate does (notAfter); the epoch: it has no end.
  std::chrono::sys_seconds credential_expires_at{};
};

// What a platform says about us, or about a message, when it is asked by a request that reaches
// nobody.
struct PlatformWord {
  enum class Kind : std::uint8_t {
    kGood,     // it takes our credential; the message
    kRefused,  // it says that it does not
    kUnclear,  // it did not say: not reached, busy, or an answer about something else
  };
  Kind kind = Kind::kUnclear;
  std::string text;  // for the operator: the vendor's word and the status, or why there is none
};
using HearWord = std::function<void(PlatformWord)>;

// One app's way to one platform. Thread-safe.
//
// Every target that was submitted gets exactly one verdict, whatever happens to connections,
// credentials or the provider itself; after `close` has returned no further call reaches the sink.
class Provider {
 public:
  virtual ~Provider() = default;

  virtual Platform platform() const noexcept = 0;

  // Pure: the platform's words for a notification, its sizes and rules checked. `now` matters where
  // a platform wants the time that is left instead of the time it ends. Any thread.
  virtual tl::expected<RenderedMessage, RenderError> render(
      const Notification& notification, std::chrono::system_clock::time_point now) const = 0;

  // Takes the batch over and returns at once; never blocks on the network. Any thread. The caller
  // bounds what is outstanding: a provider queues all it is given.
  virtual void submit(PushBatch batch) = 0;

  // How many requests may usefully be outstanding now: grows and shrinks with what the peers allow.
  // Never 0, so that a provider without a connection is given something to connect for.
  virtual std::size_t window() const noexcept = 0;

  virtual ProviderHealth health() const = 0;

  // Asks the platform whether it takes our credential for this app. Nobody is reached. `hear` is
  // called once, mostly on the loop's thread, at the latest when the provider closes; it must not
  // block. Bounded by the request's and the queue's timeouts, so who has less time stops listening.
  virtual void probe(HearWord hear) {
    hear({.kind = PlatformWord::Kind::kUnclear, .text = "this platform cannot be asked"});
  }

  // Asks for the platform's word on a message, without sending it. `token` is a device's that the
  // message might go to; empty: none is known. `hear` as above.
  virtual void validate(std::shared_ptr<const RenderedMessage> message, std::string_view token,
                        HearWord hear) {
    static_cast<void>(message);
    static_cast<void>(token);
    hear({.kind = PlatformWord::Kind::kUnclear,
          .text = "this platform has no way to look at a message without sending it"});
  }

  // Asks the platform about its broadcast channels, or sends to one. `hear` is called once, also
  // before this returns, at the latest when the provider closes; by then kChannelQueuedMax and
  // kChannelAnswerMax have passed at most. Any thread.
  virtual void ask_channel(ChannelRequest request, HearChannel hear) {
    static_cast<void>(request);
    hear({.kind = ChannelAnswer::Kind::kUnsupported});
  }

  // Stops taking, waits until `grace` for what is on the wire, then settles all that is left as
  // kNotSent or kUnanswered. Blocks; idempotent; called by the destructor with no grace.
  virtual void close(std::chrono::milliseconds grace) = 0;
};

}  // namespace carillon::push
