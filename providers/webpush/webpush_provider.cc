#include "providers/webpush/webpush_provider.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "providers/auth/es256_key.h"
#include "providers/auth/token_shelf.h"
#include "providers/auth/vapid_token.h"
#include "providers/http2/https_url.h"
#include "providers/http2/tls_context.h"
#include "providers/webpush/origin_channels.h"
#include "providers/webpush/origin_probe.h"
#include "providers/webpush/sealing_threads.h"
#include "providers/webpush/webpush_dialect.h"
#include "providers/webpush/webpush_request.h"

namespace carillon::push {
namespace {

using Time = std::chrono::system_clock::time_point;

// More threads encrypt faster than a loop's thread sends.
constexpr std::size_t kEncryptionThreadsMax = 64;
constexpr std::chrono::milliseconds kSweepMin{10};
constexpr std::chrono::milliseconds kSweepMax{60'000};

// Answers of several push services until the last one has come. Loop thread.
struct ProbeRound {
  std::size_t asked = 0, open = 0;
  std::vector<std::string> unreached;
  HearWord hear;

  void take(std::string error) {
    if (!error.empty()) unreached.push_back(std::move(error));
    if (--open > 0) return;
    if (unreached.empty()) {
      return hear({.kind = PlatformWord::Kind::kGood,
                   .text = fmt::format("key and subject are in order; reached {} of {} push "
                                       "services that the list names by host",
                                       asked, asked)});
    }
    hear({.kind = PlatformWord::Kind::kUnclear,
          .text = fmt::format("not reached: {}", fmt::join(unreached, "; "))});
  }
};

class WebPushProvider final : public Provider {
 public:
  // What is asked when somebody wants to know whether the services can be reached.
  using PoolTo = std::function<http2::PoolConfig(const http2::HttpsUrl& url)>;

  WebPushProvider(OriginChannelsConfig channels, std::size_t threads,
                  std::chrono::milliseconds sweep_every, PoolTo pool_to, VerdictSink& sink,
                  EventLoop& loop)
      : loop_(loop),
        pool_to_(std::move(pool_to)),
        probed_(channels.allowed.urls()),
        channels_(std::move(channels)),
        sealing_(threads, sweep_every, channels_, sink, loop) {}
  ~WebPushProvider() override { close(std::chrono::milliseconds(0)); }

  Platform platform() const noexcept override { return Platform::kWebPush; }
  tl::expected<RenderedMessage, RenderError> render(const Notification& notification,
                                                    Time now) const override {
    return render_webpush(notification, now);
  }
  void submit(PushBatch batch) override { sealing_.submit(std::move(batch)); }
  std::size_t window() const noexcept override { return sealing_.window() + channels_.window(); }
  ProviderHealth health() const override {
    ProviderHealth health = channels_.health();
    health.queued += sealing_.queued();
    return health;
  }
  void probe(HearWord hear) override {
    assert(!loop_.is_loop_thread());
    const std::lock_guard lock(probes_mutex_);
    probes_.clear();  // each has the time of one connection: mostly it is over
    if (probed_.empty()) {
      return hear({.kind = PlatformWord::Kind::kGood,
                   .text = "key and subject are in order; the list names no host to be reached"});
    }
    const auto round = std::make_shared<ProbeRound>(
        ProbeRound{.asked = probed_.size(), .open = probed_.size(), .hear = std::move(hear)});
    for (const std::string& url : probed_) {
      probes_.push_back(std::make_unique<OriginProbe>(
          loop_, pool_to_(*http2::parse_https_url(url)),
          [round](std::string error) { round->take(std::move(error)); }));
    }
  }
  void close(std::chrono::milliseconds grace) override {
    assert(!loop_.is_loop_thread());
    {
      const std::lock_guard lock(probes_mutex_);
      probes_.clear();
    }
    sealing_.stop();
    channels_.close(grace);
  }

 private:
  EventLoop& loop_;
  const PoolTo pool_to_;
  const std::vector<std::string> probed_;  // the push services that are named by their host
  std::mutex probes_mutex_;
  std::vector<std::unique_ptr<OriginProbe>> probes_;
  OriginChannels channels_;
  SealingThreads sealing_;
};

std::size_t thread_count(std::size_t asked) {
  if (asked > 0) return asked;
  const std::size_t processors = std::thread::hardware_concurrency();
  return std::clamp<std::size_t>(processors > 0 ? processors - 1 : 1, 1, kEncryptionThreadsMax);
}

}  // namespace

tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> make_webpush_provider(
    WebPushConfig config, VerdictSink& sink, EventLoop& loop,
    std::shared_ptr<auth::TokenShelf> tokens) {
  if (tokens == nullptr) tokens = std::make_shared<auth::TokenShelf>();
  std::vector<std::string> problems;
  const auto tls = http2::TlsContext::make(config.ca_file);
  if (!tls) problems.push_back(fmt::format("ca_file: {}", tls.error()));
  auto key = auth::Es256Key::from_file(config.vapid_key_file);
  if (config.vapid_key_file.empty()) {
    problems.emplace_back("vapid_key_file is missing: `carillon keys vapid` makes one");
  } else if (!key) {
    problems.push_back(fmt::format("vapid_key_file: {}", key.error()));
  }
  if (const auto fault = auth::contact_fault(config.subject); !fault.empty()) {
    problems.push_back(fmt::format("subject \"{}\" {}", config.subject, fault));
  }
  auto allowed = OriginList::parse(config.origins);
  if (!allowed) problems.push_back(fmt::format("origins: {}", allowed.error()));
  if (config.origins.empty()) problems.emplace_back("origins must name a push service at least");
  if (config.origins_max == 0) problems.emplace_back("origins_max must be at least 1");
  if (config.encryption_threads > kEncryptionThreadsMax) {
    problems.push_back(fmt::format("encryption_threads must be at most {}", kEncryptionThreadsMax));
  }
  config.find_problems(problems);
  if (!problems.empty()) return tl::unexpected(std::move(problems));

  const auto channel_to = [config, tls = *tls](const http2::HttpsUrl& url) {
    PushChannelConfig channel(config, url, tls);
    channel.pool.public_addresses_only = !config.allow_private_addresses;
    return channel;
  };
  OriginChannelsConfig channels{
      .allowed = std::move(*allowed),
      .origins_max = config.origins_max,
      .idle_max = config.origin_idle,
      .open = [channel_to, tokens = std::move(tokens), key = *key, subject = config.subject,
               standing = std::make_shared<VapidStanding>(), &sink,
               &loop](const http2::HttpsUrl& url, std::string_view origin) {
        auto dialect = std::make_unique<WebPushDialect>(
            tokens->vapid_token(key, std::string(origin), subject), std::string(origin), standing);
        return std::make_unique<PushChannel>(loop, channel_to(url), std::move(dialect), sink);
      }};
  return std::make_unique<WebPushProvider>(
      std::move(channels), thread_count(config.encryption_threads),
      std::clamp(config.origin_idle / 4, kSweepMin, kSweepMax),
      [channel_to](const http2::HttpsUrl& url) { return channel_to(url).pool; }, sink, loop);
}

}  // namespace carillon::push
