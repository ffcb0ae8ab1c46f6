#include "providers/apns/apns_provider.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "providers/apns/apns_channel.h"
#include "providers/apns/apns_channel_line.h"
#include "providers/apns/apns_request.h"
#include "providers/apns/apns_verdict.h"
#include "providers/auth/client_certificate.h"
#include "providers/auth/es256_key.h"
#include "providers/auth/provider_token.h"
#include "providers/auth/token_shelf.h"
#include "providers/http2/https_url.h"
#include "providers/http2/tls_context.h"
#include "providers/push_channel.h"
#include "providers/question.h"

namespace carillon::push {
namespace {

using Time = std::chrono::system_clock::time_point;

constexpr std::string_view kInvalidToken = "InvalidProviderToken";
constexpr std::size_t kAppleIdCharacters = 10;  // of key ids and team ids alike

class ApnsDialect final : public PushDialect {
 public:
  // Without a token a certificate speaks for every connection.
  ApnsDialect(std::string bundle_id, std::shared_ptr<auth::ProviderToken> token)
      : bundle_id_(std::move(bundle_id)), token_(std::move(token)) {}

  void start(std::function<void()>) override {}
  void close(std::function<void()> done) override { done(); }

  Authorization authorization(Time now) override {
    return {.header = token_ ? token_->header(now) : kNoHeader};
  }

  std::chrono::minutes credential_kept() const override {
    return auth::ProviderToken::kKeptOnConnection;
  }

  bool path_has_token() const override { return true; }
  std::string_view path() const override { return "/3/device/"; }
  std::string_view id_header() const override { return "apns-id"; }
  bool takes_token(std::string_view token) const noexcept override { return is_apns_token(token); }

  Judgement judge(const Answer& answer, const std::string& sent_with, Time now) override {
    ApnsJudgement judged = judge_apns(answer, now, topic_of(answer));
    Judgement judgement{.verdict = std::move(judged.verdict)};
    Verdict& verdict = judgement.verdict;
    if (judged.advice != ApnsAdvice::kNone) judgement.aftermath = Aftermath::kRetireConnection;
    if (judged.advice == ApnsAdvice::kRenewToken && !token_) {
      verdict.kind = VerdictKind::kCredentialRefused;
      error_ = "APNs asked for a provider token, though the connection has a certificate";
    } else if (judged.advice == ApnsAdvice::kRenewToken &&
               token_->on_expired(sent_with, now) == auth::ProviderToken::Refusal::kTooYoung) {
      verdict.kind = VerdictKind::kCredentialRefused;
      error_ = "APNs refused a fresh token as expired: is this machine's clock right?";
    } else if (token_ && verdict.reason == kInvalidToken &&
               token_->on_invalid(sent_with, now) != auth::ProviderToken::Refusal::kTooYoung) {
      verdict.kind = VerdictKind::kNotSent;  // it had been made by a clock that was wrong
      judgement.aftermath = Aftermath::kRetireConnection;
    } else if (verdict.kind == VerdictKind::kCredentialRefused) {
      error_ = fmt::format("APNs refused the credential: {} (status {})", verdict.reason,
                           verdict.status);
    }
    return judgement;
  }

  std::string credential_error() const override { return error_; }

 private:
  ApnsTopic topic_of(const Answer& answer) const {
    if (answer.message == nullptr) return ApnsTopic::kApps;
    const auto& headers = answer.message->headers;
    const auto topic = std::ranges::find(headers, "apns-topic", &RenderedMessage::Header::name);
    return topic == headers.end() || topic->value == bundle_id_ ? ApnsTopic::kApps
                                                                : ApnsTopic::kOfAPushType;
  }

  inline static const auto kNoHeader = std::make_shared<const std::string>();

  const std::string bundle_id_;
  const std::shared_ptr<auth::ProviderToken> token_;
  std::string error_;
};

class ApnsProvider final : public Provider {
 public:
  ApnsProvider(EventLoop& loop, PushChannelConfig config, std::unique_ptr<PushDialect> dialect,
               ApnsSender sender, std::chrono::sys_seconds expires_at,
               ApnsChannelLine::Parts channels, ApnsChannelLine::Parts broadcasts,
               VerdictSink& sink)
      : sender_(std::move(sender)),
        expires_at_(expires_at),
        channels_(loop, std::move(channels)),
        broadcasts_(loop, std::move(broadcasts)),
        channel_(loop, std::move(config), std::move(dialect), sink) {}

  Platform platform() const noexcept override { return Platform::kApns; }
  tl::expected<RenderedMessage, RenderError> render(const Notification& notification,
                                                    Time) const override {
    return render_apns(notification, sender_);
  }
  void submit(PushBatch batch) override { channel_.submit(std::move(batch)); }
  void probe(HearWord hear) override {
    channel_.submit(question(apns_probe(sender_), kApnsNobodysToken,
                             [this, hear = std::move(hear)](const Verdict& verdict) {
                               hear(with_error(apns_word(verdict), channel_.health()));
                             }));
  }
  std::size_t window() const noexcept override { return channel_.window(); }
  ProviderHealth health() const override {
    ProviderHealth health = channel_.health();
    health.credential_expires_at = expires_at_;
    health.in_flight += channels_.unanswered() + broadcasts_.unanswered();
    return health;
  }
  void ask_channel(ChannelRequest request, HearChannel hear) override {
    const bool broadcast = request.kind == ChannelRequest::Kind::kBroadcast;
    (broadcast ? broadcasts_ : channels_).ask(std::move(request), std::move(hear));
  }
  void close(std::chrono::milliseconds grace) override {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + grace;
    const auto left = [&] {
      return std::max(std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()),
                      std::chrono::milliseconds(0));
    };
    channel_.close(grace);
    channels_.close(left());
    broadcasts_.close(left());
  }

 private:
  const ApnsSender sender_;
  const std::chrono::sys_seconds expires_at_;
  ApnsChannelLine channels_;    // made, read, deleted
  ApnsChannelLine broadcasts_;  // sent to
  PushChannel channel_;
};

bool is_apple_id(std::string_view text) {
  return text.size() == kAppleIdCharacters && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
         });
}

bool is_bundle_id(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '-';
  });
}

// A host of Apple's, without a path.
std::optional<http2::HttpsUrl> read_host(const char* name, const std::string& text,
                                         std::vector<std::string>& problems) {
  const auto url = http2::parse_https_url(text);
  if (!url) {
    problems.push_back(fmt::format("{} \"{}\" {}", name, text, url.error()));
    return std::nullopt;
  }
  if (url->path != "/") {
    problems.push_back(fmt::format("{} \"{}\" must not have a path", name, text));
  }
  return *url;
}

// A certificate may be for the app, or for one of its services alone, as for VoIP.
bool is_for(const auth::ClientCertificate& certificate, const std::string& bundle_id) {
  const auto& topics = certificate.topics();
  return topics.empty() || std::ranges::any_of(topics, [&](const std::string& topic) {
           return topic == bundle_id || topic.starts_with(bundle_id + ".");
         });
}

// One of both, or what is wrong.
struct Credential {
  std::shared_ptr<auth::ProviderToken> token;  // of the loop's thread, once there is a provider
  std::optional<auth::ClientCertificate> certificate;
};

void read_key(const ApnsConfig& config, auth::TokenShelf& tokens, Credential& credential,
              std::vector<std::string>& problems) {
  auto key = auth::Es256Key::from_file(config.key_file);
  if (config.key_file.empty()) {
    problems.emplace_back(
        "key_file is missing: the .p8 file of an APNs signing key (or certificate_file)");
  } else if (!key) {
    problems.push_back(fmt::format("key_file: {}", key.error()));
  }
  if (!is_apple_id(config.key_id)) {
    problems.push_back(fmt::format("key_id \"{}\" is not 10 letters and digits", config.key_id));
  }
  if (!is_apple_id(config.team_id)) {
    problems.push_back(fmt::format("team_id \"{}\" is not 10 letters and digits", config.team_id));
  }
  if (key) {
    credential.token = tokens.provider_token(std::move(*key), config.key_id, config.team_id);
  }
}

void read_certificate(const ApnsConfig& config, Credential& credential,
                      std::vector<std::string>& problems) {
  if (!config.key_file.empty() || !config.key_id.empty() || !config.team_id.empty()) {
    problems.emplace_back(
        "certificate_file must not stand beside key_file, key_id and team_id: it is one or the "
        "other");
  }
  auto certificate =
      auth::ClientCertificate::from_file(config.certificate_file, config.certificate_password_file);
  if (!certificate) {
    problems.push_back(fmt::format("certificate_file: {}", certificate.error()));
    return;
  }
  if (!is_for(*certificate, config.bundle_id)) {
    problems.push_back(fmt::format("bundle_id \"{}\" is not what {} is for: {}", config.bundle_id,
                                   config.certificate_file,
                                   fmt::join(certificate->topics(), ", ")));
  }
  credential.certificate = std::move(*certificate);
}

}  // namespace

tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_apns_provider(
    ApnsConfig config, VerdictSink& sink, EventLoop& loop,
    std::shared_ptr<auth::TokenShelf> tokens) {
  if (tokens == nullptr) tokens = std::make_shared<auth::TokenShelf>();
  std::vector<std::string> problems;
  const auto url = read_host("endpoint", config.endpoint, problems);
  const auto channels_url =
      config.channels_endpoint.empty()
          ? (url ? std::optional(*http2::parse_https_url(apns_channels_endpoint(config.endpoint)))
                 : std::nullopt)
          : read_host("channels_endpoint", config.channels_endpoint, problems);
  auto tls = http2::TlsContext::make(config.ca_file);
  if (!tls) problems.push_back(fmt::format("ca_file: {}", tls.error()));
  Credential credential;
  if (config.certificate_file.empty()) {
    if (!config.certificate_password_file.empty()) {
      problems.emplace_back("certificate_password_file needs certificate_file");
    }
    read_key(config, *tokens, credential, problems);
  } else {
    read_certificate(config, credential, problems);
  }
  const auto& certificate = credential.certificate;
  if (tls && certificate) {
    if (const auto shown = tls->show(*certificate); !shown) {
      problems.push_back(fmt::format("certificate_file: {} is not taken by OpenSSL: {}",
                                     config.certificate_file, shown.error()));
    }
  }
  if (!is_bundle_id(config.bundle_id)) {
    problems.push_back(fmt::format("bundle_id \"{}\" is not the id of an app, like com.example.app",
                                   config.bundle_id));
  }
  config.find_problems(problems);
  if (!problems.empty()) return tl::unexpected(std::move(problems));

  PushChannelConfig channel(config, *url, *tls);
  const auto line_to = [&](const http2::HttpsUrl& host) {
    ApnsChannelLine::Parts parts{.pool = channel.pool,
                                 .queued_max = std::min(config.queued_max, kChannelQueuedMax),
                                 .calendar = channel.calendar,
                                 .bundle_id = config.bundle_id,
                                 .token = credential.token};
    parts.pool.url = host;
    parts.pool.connections_max = 1;
    parts.pool.connect_max = std::min(config.connect_max, parts.queued_max);
    parts.pool.request_max = std::min(config.request_timeout, kChannelAnswerMax);
    return parts;
  };
  auto channels = line_to(*channels_url), broadcasts = line_to(*url);
  ApnsSender sender{.bundle_id = config.bundle_id, .by_certificate = certificate.has_value()};
  std::chrono::sys_seconds expires_at{};
  if (certificate) {
    sender.topics = certificate->topics();
    expires_at = certificate->expires_at();
  }
  return std::make_unique<ApnsProvider>(
      loop, std::move(channel),
      std::make_unique<ApnsDialect>(config.bundle_id, std::move(credential.token)),
      std::move(sender), expires_at, std::move(channels), std::move(broadcasts), sink);
}

}  // namespace carillon::push
