// What every provider over HTTP/2 has in common: batches in on any thread, streams on the loop,
// verdicts out. What differs by platform is behind PushDialect.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "providers/channel_limits.h"
#include "providers/http2/pool.h"
#include "providers/provider.h"

namespace carillon::push {

// An answer that is not a plain 200, as a dialect judges it (or any, if it says so). Valid during
// the call.
struct Answer {
  std::uint16_t status = 0;
  std::string_view body;                     // at most http2::kErrorBodyBytesMax, else cut
  std::string_view retry_after;              // the header's value; empty: none
  std::string_view wns_status;               // X-WNS-Status of a Windows push service; empty: none
  const RenderedMessage* message = nullptr;  // that was sent; null: not known
};

// What an answer says about more than its own request.
enum class Aftermath : std::uint8_t {
  kNone,
  kRetireConnection,  // the peer serves this connection no longer as it should
};

struct Judgement {
  Verdict verdict;  // without the tag
  Aftermath aftermath = Aftermath::kNone;
};

// A credential as requests need it.
struct Authorization {
  // The header's value ("bearer …"); shared with requests on their way. Null: there is none now.
  // Empty: requests need none, as the connection itself is authenticated.
  std::shared_ptr<const std::string> header;
  // Only without a header: the credential was refused, waiting does not help.
  bool refused = false;
  std::string_view refusal{};  // the word for the verdict; static or owned by the credential
};

// How a platform wants its requests and what its answers mean. Loop thread only.
class PushDialect {
 public:
  virtual ~PushDialect() = default;

  // Before anything else. `on_credential_changed` is to be called whenever `authorization` would
  // answer differently than it did when it was asked last.
  virtual void start(std::function<void()> on_credential_changed) = 0;

  // Asked once per batch of events, not per request. While there is no header requests wait.
  virtual Authorization authorization(std::chrono::system_clock::time_point now) = 0;

  // For how long a connection must have brought a credential before it may bring another; 0: no
  // matter.
  virtual std::chrono::minutes credential_kept() const { return {}; }

  // Whether requests differ by path, so that it is written for each, and carry an id header.
  virtual bool path_has_token() const = 0;
  // The whole path, or what comes before the token.
  virtual std::string_view path() const = 0;
  // Whether the token is not only the path's end: what comes after its first space is the body.
  virtual bool token_has_body() const { return false; }
  // Whether a plain 200 is for `judge` as well.
  virtual bool judges_success() const { return false; }
  // The name of the header that carries PushTarget::id as a UUID; empty: none.
  virtual std::string_view id_header() const = 0;

  // Whether the token can stand in this platform's path or body as it is.
  virtual bool takes_token(std::string_view token) const noexcept = 0;

  // `sent_with` is the authorization that the request carried.
  virtual Judgement judge(const Answer& answer, const std::string& sent_with,
                          std::chrono::system_clock::time_point now) = 0;

  // Why the credential failed last; empty if it did not.
  virtual std::string credential_error() const = 0;

  // Before the channel goes: stops what the dialect has going on the loop, then calls `done`.
  virtual void close(std::function<void()> done) = 0;
};

struct PushChannelConfig {
  PushChannelConfig(const ChannelLimits& limits, const http2::HttpsUrl& url,
                    const http2::TlsContext& tls);

  http2::PoolConfig pool;
  // The longest that a request waits for a connection, a stream and a credential.
  std::chrono::milliseconds queued_max{30'000};
  std::function<std::chrono::system_clock::time_point()> calendar;
};

// One lock (`submit`), one hop to the loop per batch; everything else is the loop's alone.
class PushChannel {
 public:
  PushChannel(EventLoop& loop, PushChannelConfig config, std::unique_ptr<PushDialect> dialect,
              VerdictSink& sink);
  ~PushChannel();
  PushChannel(const PushChannel&) = delete;
  PushChannel& operator=(const PushChannel&) = delete;

  // As in Provider.
  void submit(PushBatch batch);
  std::size_t window() const noexcept;
  ProviderHealth health() const;
  void close(std::chrono::milliseconds grace);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace carillon::push
