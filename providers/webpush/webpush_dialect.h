// Web Push over a PushChannel: one channel for each push service's origin.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "providers/auth/vapid_token.h"
#include "providers/push_channel.h"

namespace carillon::push {

// What the push services together have said about our key. Loop thread.
struct VapidStanding {
  bool taken = false;  // one of them has said yes to it
};

// Tokens are the endpoint's path, a space and the encrypted body.
class WebPushDialect final : public PushDialect {
 public:
  WebPushDialect(std::shared_ptr<auth::VapidToken> token, std::string origin,
                 std::shared_ptr<VapidStanding> standing)
      : token_(std::move(token)), origin_(std::move(origin)), standing_(std::move(standing)) {}

  void start(std::function<void()>) override {}
  void close(std::function<void()> done) override { done(); }

  Authorization authorization(std::chrono::system_clock::time_point now) override {
    return {.header = token_->header(now)};
  }

  bool path_has_token() const override { return true; }
  std::string_view path() const override { return {}; }
  bool token_has_body() const override { return true; }
  bool judges_success() const override { return true; }
  std::string_view id_header() const override { return {}; }
  bool takes_token(std::string_view) const noexcept override { return true; }

  // A refused VAPID token is the subscription's fault if this service has taken the same token for
  // another: that subscription was made with another key. Otherwise it is ours; but where another
  // service takes our key, only this one is without service.
  Judgement judge(const Answer& answer, const std::string& sent_with,
                  std::chrono::system_clock::time_point now) override;

  std::string credential_error() const override { return error_; }

 private:
  void judge_refusal(Verdict& verdict, const std::string& sent_with,
                     std::chrono::system_clock::time_point now);

  const std::shared_ptr<auth::VapidToken> token_;
  const std::string origin_;
  const std::shared_ptr<VapidStanding> standing_;
  std::shared_ptr<const std::string> taken_;  // the token that this service has said yes to
  std::string error_;
};

}  // namespace carillon::push
