#include "relay/cli/serve_command.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "providers/http2/event_loop.h"
#include "relay/api/http_server.h"
#include "relay/api/publisher.h"
#include "relay/cli/credential_expiry.h"
#include "relay/cli/credential_rotation.h"
#include "relay/cli/credentials.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"
#include "relay/cli/process_secrecy.h"
#include "relay/cli/provider_errors.h"
#include "relay/cli/stale_upkeep.h"
#include "relay/cli/stop_signals.h"
#include "relay/cli/store_upkeep.h"
#include "relay/fanout/engine.h"

namespace carillon::cli {
namespace {

using std::chrono::milliseconds;

// What HTTP requests that have begun get to end when the relay stops; a publish takes one flush.
constexpr milliseconds kHttpGrace{2'000};
// How often forgotten idempotency keys are removed; they are kept for hours.
constexpr milliseconds kHousekeepingInterval{600'000};
constexpr int kForgetStepsMax = 100;  // of outcomes, at once: half a million rows

void log_to_stderr(const std::string& level) {
  // spdlog's own error handling prints to stderr as well; a relay whose stderr is gone serves on.
  auto logger = std::make_shared<spdlog::logger>("carillon",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

std::int64_t calendar_ms() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

// "127.0.0.1:0" and the port that it became → "http://127.0.0.1:40123"
std::string url_of(const std::string& listen, std::uint16_t port) {
  return fmt::format("http://{}:{}", listen.substr(0, listen.rfind(':')), port);
}

// All parts, in the order in which they stand on each other: the last goes first.
class World {
 public:
  World(Terminal& terminal, std::filesystem::path config_file, config::Config config)
      : terminal_(terminal), config_file_(std::move(config_file)), config_(std::move(config)) {}

  // What does not come up is explained, all credentials at once.
  bool start() {
    store_ = open_store_or_explain(terminal_, config_.store, StoreUse::kServe);
    if (!store_) return false;
    upkeep_ = std::make_unique<StoreUpkeep>(*store_);
    stale_ = std::make_unique<StaleUpkeep>(*store_, config_.apps,
                                           StaleUpkeep::Clocks{.calendar_ms = &calendar_ms});
    engine_ = std::make_unique<fanout::Engine>(*store_, config_.fanout, fanout::Clocks::system(),
                                               random_seed());
    if (!add_providers() || !start_engine() || !start_http()) return false;
    rotation_ = std::make_unique<CredentialRotation>(config_, house_of_credentials());
    return true;
  }

  void reread_credentials() { rotation_->reread(); }

  void announce() const {
    terminal_.out << fmt::format("carillon {}, store {}, {}\nready\n", CARILLON_VERSION,
                                 config_.store.path.string(),
                                 url_of(config_.http.listen, http_->port()))
                  << std::flush;
    spdlog::info("serving {} on {}", counted(config_.apps.size(), "app"),
                 url_of(config_.http.listen, http_->port()));
  }

  // What nobody waits for; how long until there may be more of it.
  milliseconds keep_house() {
    const auto now = std::chrono::steady_clock::now();
    if (now >= forget_at_) {
      forget_old_keys();
      forget_old_outcomes();
      forget_at_ = now + kHousekeepingInterval;
    }
    for (const std::string& news : errors_.news(engine_->stats().lanes)) spdlog::warn("{}", news);
    const milliseconds pause = std::min({upkeep_->work(), stale_->work(), rotation_->work()});
    const auto to_forget =
        std::chrono::ceil<milliseconds>(forget_at_ - std::chrono::steady_clock::now());
    return std::clamp(to_forget, milliseconds(0), pause);
  }

  // No new requests, then answers of what was sent, then the last checkpoint.
  void stop() {
    spdlog::info("stopping: waiting up to {} ms for answers; a second signal ends it at once",
                 config_.fanout.drain_ms);
    rotation_.reset();
    http_->stop(kHttpGrace);
    const std::uint64_t unrecorded = engine_->drain(milliseconds(config_.fanout.drain_ms));
    http_.reset();
    publisher_.reset();
    engine_.reset();
    stale_.reset();
    upkeep_.reset();
    store_.reset();
    if (unrecorded > 0) {
      spdlog::error("stopped; {} of what was sent goes out again at the next start",
                    counted(unrecorded, "notification"));
    } else {
      spdlog::info("stopped; what was not sent goes on at the next start");
    }
  }

 private:
  void forget_old_keys() {
    const milliseconds kept = std::chrono::hours(config_.store.idempotency_hours);
    const auto forgotten = store_->forget_idempotency_keys(calendar_ms() - kept.count());
    if (!forgotten) {
      spdlog::warn("old idempotency keys stay for now: {}", forgotten.error().message);
    } else if (*forgotten > 0) {
      spdlog::debug("{} idempotency keys are forgotten", *forgotten);
    }
  }

  // Steps of some 10 ms of the writer; what is left when they take long goes next time.
  void forget_old_outcomes() {
    const milliseconds kept = std::chrono::hours(24) * config_.store.outcome_days;
    for (int step = 0; step < kForgetStepsMax; ++step) {
      const auto forgotten = store_->forget_outcomes(calendar_ms() - kept.count());
      if (!forgotten) spdlog::warn("old outcomes stay for now: {}", forgotten.error().message);
      if (!forgotten || *forgotten == 0) return;
    }
  }

  bool add_providers() {
    for (const auto& [name, app] : config_.apps) engine_->add_app(name);
    Providers providers = make_providers(
        config_,
        [this](const std::string& app, push::Platform platform) -> push::VerdictSink& {
          return engine_->sink(app, platform);
        },
        loop_, tokens_);
    for (const std::string& problem : providers.problems) explain(terminal_, problem);
    for (AppProvider& made : providers.made) {
      tell_expiry(made.app, *made.provider);
      const config::App& app = config_.apps.at(made.app);
      const config::Rate rate = app.rate(made.provider->platform());
      engine_->add_provider(made.app, std::move(made.provider),
                            {.per_minute = rate.per_minute, .ramp_up_ms = rate.ramp_up_ms});
    }
    return providers.problems.empty();
  }

  // One app's certificate that has ended does not keep the others from being served.
  static void tell_expiry(const std::string& app, const push::Provider& provider) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto word =
        expiry_word(app, provider.platform(), provider.health().credential_expires_at, now);
    if (!word) return;
    spdlog::log(word->expired ? spdlog::level::err : spdlog::level::warn, "{}", word->sentence);
  }

  CredentialRotation::House house_of_credentials() {
    return {
        .load = [this] { return config::load_config(config_file_); },
        .make = [this](const std::string& app, const config::App& section, push::Platform platform)
            -> tl::expected<CredentialRotation::Candidate, std::vector<std::string>> {
          CredentialRotation::Candidate candidate{.seat = engine_->new_seat(app, platform)};
          auto made = make_provider(section, platform, *candidate.seat, loop_, tokens_);
          if (!made) return tl::unexpected(std::move(made.error()));
          candidate.provider = *std::move(made);
          return candidate;
        },
        .adopt =
            [this](const std::string& app, CredentialRotation::Candidate candidate) {
              tell_expiry(app, *candidate.provider);
              engine_->replace_provider(app, std::move(candidate.provider),
                                        std::move(candidate.seat));
            },
        .alarm =
            [this](const std::string& app, push::Platform platform, std::string alarm) {
              engine_->set_credential_alarm(app, platform, std::move(alarm));
            },
        .close_replaced = [this] { return engine_->close_replaced(); }};
  }

  bool start_engine() {
    const auto started = engine_->start();
    if (!started) explain(terminal_, started.error().message);
    return started.has_value();
  }

  bool start_http() {
    std::vector<std::string> apps;
    for (const auto& [name, app] : config_.apps) apps.push_back(name);
    publisher_ = std::make_unique<api::EnginePublisher>(*engine_);
    http_ = std::make_unique<api::HttpServer>(
        config_.http, api::HttpServer::Parts{.publisher = *publisher_,
                                             .store = *store_,
                                             .apps = std::move(apps),
                                             .clocks = fanout::Clocks::system(),
                                             .stale_totals = [this] { return stale_->totals(); },
                                             .push_origins = config::push_origins(config_)});
    const auto started = http_->start();
    if (!started) explain(terminal_, started.error());
    return started.has_value();
  }

  Terminal& terminal_;
  const std::filesystem::path config_file_;
  const config::Config config_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<StoreUpkeep> upkeep_;
  std::unique_ptr<StaleUpkeep> stale_;
  std::chrono::steady_clock::time_point forget_at_{};
  push::EventLoop loop_;
  const SharedTokens tokens_ = std::make_shared<push::auth::TokenShelf>();
  std::unique_ptr<fanout::Engine> engine_;
  std::unique_ptr<CredentialRotation> rotation_;
  ProviderErrors errors_;
  std::unique_ptr<api::EnginePublisher> publisher_;
  std::unique_ptr<api::HttpServer> http_;
};

}  // namespace

int run_serve(Terminal& terminal, const std::filesystem::path& config_file) {
  auto config = load_config_or_explain(terminal, config_file);
  if (!config) return kExitFailure;
  log_to_stderr(config->log.level);
  if (config->log.core_files) allow_core_files();
  StopSignals signals;  // before the first thread
  World world(terminal, config_file, std::move(*config));
  if (!world.start()) return kExitFailure;
  world.announce();
  for (;;) {
    switch (signals.wait(world.keep_house())) {
      case StopSignals::Heard::kStop:
        signals.release();
        world.stop();
        return kExitOk;
      case StopSignals::Heard::kHangUp:
        spdlog::info("SIGHUP: config and credentials are read again");
        world.reread_credentials();
        break;
      case StopSignals::Heard::kNothing:
        break;
    }
  }
}

}  // namespace carillon::cli
