// The access token that a service account is given for its assertion (RFC 6749, RFC 7523).
#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "providers/auth/service_account.h"
#include "providers/http2/backoff.h"
#include "providers/http2/pool.h"
#include "providers/http2/request_head.h"
#include "providers/http2/request_source.h"

namespace carillon::push::auth {

// Fetches the token over HTTP/2 when it is first asked for, and the next one while the old one
// still serves. If that fails the old one serves until it ends. Loop thread only, but for the
// constructor.
class OauthToken final : public http2::RequestSource {
 public:
  using Time = std::chrono::system_clock::time_point;
  // Google's tokens live an hour; a refresh that fails has this long to be tried again.
  static constexpr std::chrono::minutes kRefreshEarly{5};
  // After the account itself was refused ("invalid_grant"): somebody has to mend it first.
  static constexpr std::chrono::seconds kRefusedPause{60};
  // A token that is refused although it is younger than this will not be replaced for it.
  static constexpr std::chrono::seconds kKeepAtLeast{60};

  // `pool.url` is the token endpoint, which is also the assertion's audience unless `audience` is
  // given.
  OauthToken(EventLoop& loop, http2::PoolConfig pool, ServiceAccount account, std::string audience,
             std::string scope, std::function<Time()> calendar);
  ~OauthToken() override;

  // `on_changed` is called when a token has come, or the account was refused.
  void start(std::function<void()> on_changed) { on_changed_ = std::move(on_changed); }

  // "Bearer " and the token; null if there is none (yet). Asking is what starts a fetch. The
  // pointer is the same as long as the token is.
  std::shared_ptr<const std::string> header(Time now);

  // There is no token because the token endpoint refused the account; false again while it is asked
  // anew.
  bool refused() const noexcept { return refused_; }

  // A resource server said that the token `header` is not valid. False: it is the newest that may
  // be had.
  bool on_refused(const std::string& header, Time now);

  // Why the latest fetch failed: RFC 6749's error and description, or the connection's; empty after
  // a success.
  std::string error() const;

  void close(std::function<void()> done);

  // --- http2::RequestSource
  std::size_t ready(http2::Share share) const noexcept override {
    return wanted_ && share != http2::Share::kDoubtful ? 1 : 0;
  }
  bool waiting() const noexcept override { return wanted_; }
  bool prepare(http2::Stream& stream, http2::Share) override;
  void settle(http2::Stream& stream) override;
  void on_turn_end() override;
  void on_tick(http2::LoopTime) override {}

 private:
  void fetch();
  void take_answer(const http2::Stream& stream);
  void fail(std::string error, bool refused);

  const ServiceAccount account_;
  const std::string audience_;
  const std::string scope_;
  const std::string authority_;
  const std::string path_;
  const std::function<Time()> calendar_;
  std::function<void()> on_changed_;
  http2::Pool pool_;
  http2::Backoff backoff_;

  std::shared_ptr<const std::string> header_;
  Time asked_at_{};  // of the latest request
  Time fetched_at_{};
  Time refresh_at_{};
  Time ends_at_{};
  http2::LoopTime retry_at_{};
  bool wanted_ = false;    // a fetch has not left yet
  bool fetching_ = false;  // a fetch is wanted or on its way
  bool refused_ = false;
  bool changed_ = false;
  bool closing_ = false;
  std::string error_;
  std::string form_;  // the request's body, while it is on its way
  http2::RequestHead head_;
};

}  // namespace carillon::push::auth
