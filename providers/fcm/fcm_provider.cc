#include "providers/fcm/fcm_provider.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "providers/auth/oauth_token.h"
#include "providers/auth/service_account.h"
#include "providers/fcm/fcm_request.h"
#include "providers/fcm/fcm_verdict.h"
#include "providers/http2/https_url.h"
#include "providers/http2/tls_context.h"
#include "providers/push_channel.h"
#include "providers/question.h"

namespace carillon::push {
namespace {

using Time = std::chrono::system_clock::time_point;

constexpr std::string_view kScope = "https://www.googleapis.com/auth/firebase.messaging";

class FcmDialect final : public PushDialect {
 public:
  FcmDialect(std::unique_ptr<auth::OauthToken> token, std::string_view project)
      : token_(std::move(token)), path_(fmt::format("/v1/projects/{}/messages:send", project)) {}

  void start(std::function<void()> on_credential_changed) override {
    token_->start(std::move(on_credential_changed));
  }
  void close(std::function<void()> done) override { token_->close(std::move(done)); }

  Authorization authorization(Time now) override {
    auto header = token_->header(now);
    const bool refused = header == nullptr && token_->refused();
    return {.header = std::move(header), .refused = refused, .refusal = "AccountRefused"};
  }

  bool path_has_token() const override { return false; }
  std::string_view path() const override { return path_; }
  std::string_view id_header() const override { return {}; }
  bool takes_token(std::string_view token) const noexcept override { return is_fcm_token(token); }

  Judgement judge(const Answer& answer, const std::string& sent_with, Time now) override {
    FcmJudgement judged = judge_fcm(answer, now);
    Verdict& verdict = judged.verdict;
    if (judged.advice == FcmAdvice::kRefreshToken && !token_->on_refused(sent_with, now)) {
      verdict.kind = VerdictKind::kCredentialRefused;
    }
    if (verdict.kind == VerdictKind::kCredentialRefused) {
      error_ = fmt::format("FCM refused the credential for {}: {} (status {})", path_,
                           verdict.reason, verdict.status);
    }
    return {.verdict = std::move(verdict)};
  }

  std::string credential_error() const override {
    std::string error = token_->error();
    return error.empty() ? error_ : error;
  }

 private:
  const std::unique_ptr<auth::OauthToken> token_;
  const std::string path_;
  std::string error_;
};

class FcmProvider final : public Provider {
 public:
  FcmProvider(EventLoop& loop, PushChannelConfig config, std::unique_ptr<PushDialect> dialect,
              VerdictSink& sink)
      : channel_(loop, std::move(config), std::move(dialect), sink) {}

  Platform platform() const noexcept override { return Platform::kFcm; }
  tl::expected<RenderedMessage, RenderError> render(const Notification& notification,
                                                    Time now) const override {
    return render_fcm(notification, now);
  }
  void submit(PushBatch batch) override { channel_.submit(std::move(batch)); }
  void probe(HearWord hear) override {
    channel_.submit(question(fcm_probe(), kFcmNobodysToken,
                             [this, hear = std::move(hear)](const Verdict& verdict) {
                               hear(with_error(fcm_word_on_us(verdict), channel_.health()));
                             }));
  }
  void validate(std::shared_ptr<const RenderedMessage> message, std::string_view token,
                HearWord hear) override {
    const FcmTarget target = token.empty() ? FcmTarget::kTopic : FcmTarget::kDevice;
    if (target == FcmTarget::kTopic && message->body.size() > kFcmTopicPayloadBytesMax) {
      return hear({.kind = PlatformWord::Kind::kUnclear,
                   .text = fmt::format("a message of more than {} bytes can only be looked at "
                                       "together with a device's token",
                                       kFcmTopicPayloadBytesMax)});
    }
    channel_.submit(question(
        fcm_validation(*message, target), token.empty() ? kFcmNobodysToken : token,
        [hear = std::move(hear)](const Verdict& verdict) { hear(fcm_word_on_message(verdict)); }));
  }
  std::size_t window() const noexcept override { return channel_.window(); }
  ProviderHealth health() const override { return channel_.health(); }
  void close(std::chrono::milliseconds grace) override { channel_.close(grace); }

 private:
  PushChannel channel_;
};

// Google's project ids and numbers; what stands in a path as it is.
bool is_project(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == ':' || c == '_';
  });
}

// What has been read and checked of a configuration.
struct Parts {
  http2::HttpsUrl url;
  http2::HttpsUrl token_url;
  std::string token_uri;
  std::string project;
};

}  // namespace

tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_fcm_provider(
    FcmConfig config, VerdictSink& sink, EventLoop& loop) {
  std::vector<std::string> problems;
  Parts parts;
  parts.project = config.project;
  const auto take_url = [&problems](std::string_view field, const std::string& text,
                                    http2::HttpsUrl& url) {
    if (auto parsed = http2::parse_https_url(text)) {
      url = *parsed;
    } else {
      problems.push_back(fmt::format("{} \"{}\" {}", field, text, parsed.error()));
    }
  };
  take_url("endpoint", config.endpoint, parts.url);
  if (parts.url.path != "/") {
    problems.push_back(fmt::format("endpoint \"{}\" must not have a path", config.endpoint));
  }
  const auto tls = http2::TlsContext::make(config.ca_file);
  if (!tls) problems.push_back(fmt::format("ca_file: {}", tls.error()));
  auto account = auth::ServiceAccount::from_file(config.service_account_file);
  if (config.service_account_file.empty()) {
    problems.emplace_back("service_account_file is missing: the JSON key of a service account");
  } else if (!account) {
    problems.push_back(fmt::format("service_account_file: {}", account.error()));
  } else {
    if (parts.project.empty()) parts.project = account->project();
    parts.token_uri = config.token_uri.empty() ? account->token_uri() : config.token_uri;
    take_url("token_uri", parts.token_uri, parts.token_url);
    if (!is_project(parts.project)) {
      problems.push_back(fmt::format(
          "project \"{}\" is not a project's id or number, and {} does not name one in project_id",
          config.project, config.service_account_file));
    }
  }
  config.find_problems(problems);
  if (config.streams_max > kFcmStreamsMax) {
    problems.push_back(
        fmt::format("streams_max must be at most {}: Google closes connections that "
                    "have more requests at once, with all that is on them",
                    kFcmStreamsMax));
  }
  if (!problems.empty()) return tl::unexpected(std::move(problems));

  PushChannelConfig channel(config, parts.url, *tls);
  http2::PoolConfig token_pool = channel.pool;
  token_pool.url = parts.token_url;
  token_pool.connections_max = 1;
  auto token =
      std::make_unique<auth::OauthToken>(loop, std::move(token_pool), std::move(*account),
                                         parts.token_uri, std::string(kScope), channel.calendar);
  return std::make_unique<FcmProvider>(
      loop, std::move(channel), std::make_unique<FcmDialect>(std::move(token), parts.project),
      sink);
}

}  // namespace carillon::push
