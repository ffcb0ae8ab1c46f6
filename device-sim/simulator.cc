#include "device-sim/simulator.h"

#include <chrono>

#include "device-sim/control/control_server.h"
#include "device-sim/faults/fault_dice.h"
#include "device-sim/gateway/gateway_loop.h"
#include "device-sim/journal/journal.h"
#include "device-sim/phones/device_book.h"
#include "device-sim/phones/topic_book.h"
#include "device-sim/population/population.h"

namespace device_sim {

std::int64_t system_unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Declared in the order of who is used by whom: what comes later goes first.
class Simulator::Impl {
 public:
  explicit Impl(SimulatorOptions options)
      : options_(std::move(options)),
        population_(options_.seed, options_.mix, options_.devices),
        journal_(JournalLimits{.events_max = options_.events_max,
                               .memory_bytes_max = options_.journal_mib_max << 20,
                               .devices_max = options_.devices + kPhonesMax}),
        book_(population_),
        apns_channels_(splitmix64(options_.seed)) {
    if (!options_.unix_ms) options_.unix_ms = system_unix_ms;
    options_.fcm.access_token_key = random_access_token_key();
    faults_.set(options_.faults);
  }

  ~Impl() { stop(); }

  std::vector<std::string> start() {
    std::vector<std::string> problems;
    const auto apns_tls = make_tls_context(options_.certificate_pem, options_.private_key_pem,
                                           PortProtocols::kHttp2, options_.apns_client_ca_pem);
    if (!apns_tls) return {apns_tls.error()};
    const auto fcm_tls = make_tls_context(options_.certificate_pem, options_.private_key_pem,
                                          PortProtocols::kHttp2AndHttp1);
    if (!fcm_tls) return {fcm_tls.error()};

    if (options_.mix.has(Platform::kWebPush) && !options_.webpush) {
      problems.emplace_back("the mix has webpush: add [webpush] with its public_key to the config");
    }
    if (options_.webpush) webpush_account_ = *options_.webpush;
    std::vector<GatewayLoop*> all;
    for (unsigned i = 0; i < options_.threads; ++i) {
      loops_.push_back(std::make_unique<GatewayLoop>(
          LoopParts{.population = population_,
                    .journal = journal_,
                    .book = book_,
                    .topics = topics_,
                    .faults = faults_,
                    .apns = options_.apns,
                    .apns_channels = apns_channels_,
                    .fcm = options_.fcm,
                    .webpush = webpush_account_,
                    .unix_ms = options_.unix_ms,
                    .seed = splitmix64(options_.seed) + std::uint64_t{16} * i}));
      all.push_back(loops_.back().get());
    }
    listen(Service::kApns,
           {.listen = options_.apns_listen,
            .tls = *apns_tls,
            .protocols = PortProtocols::kHttp2,
            .limits = options_.apns_limits},
           all, options_.apns_listen, problems);
    listen(Service::kFcm,
           {.listen = options_.fcm_listen,
            .tls = *fcm_tls,
            .protocols = PortProtocols::kHttp2AndHttp1,
            .limits = options_.fcm_limits},
           all, options_.fcm_listen, problems);
    if (options_.webpush) {
      listen(Service::kWebPush,
             {.listen = options_.webpush_listen,
              .tls = *fcm_tls,
              .protocols = PortProtocols::kHttp2AndHttp1,
              .limits = options_.webpush_limits},
             all, options_.webpush_listen, problems);
      if (options_.webpush_origin.empty()) {
        options_.webpush_origin = "https://" + options_.webpush_listen.to_string();
      }
    }
    control_ =
        std::make_unique<ControlServer>(ControlParts{.population = population_,
                                                     .journal = journal_,
                                                     .book = book_,
                                                     .topics = topics_,
                                                     .channels = apns_channels_,
                                                     .faults = faults_,
                                                     .loops = all,
                                                     .webpush_origin = options_.webpush_origin,
                                                     .unix_ms = options_.unix_ms});
    const auto port = control_->bind(options_.control_listen);
    if (port) {
      options_.control_listen.port = *port;
    } else {
      problems.push_back(port.error());
    }
    if (!problems.empty()) return problems;
    // The first loop listens and hands over to the others, so it starts last and stops first.
    for (auto loop = loops_.rbegin(); loop != loops_.rend(); ++loop) (*loop)->start();
    control_->start();
    return {};
  }

  void stop() {
    book_.stop_waiting();
    if (control_) control_->stop();
    for (const auto& loop : loops_) loop->stop();
  }

  const SimulatorOptions& options() const { return options_; }

 private:
  void listen(Service service, const ServiceOptions& service_options,
              const std::vector<GatewayLoop*>& all, ListenAddress& bound,
              std::vector<std::string>& problems) {
    const auto port = loops_.front()->listen(service, service_options, all);
    if (port) {
      bound.port = *port;
    } else {
      problems.push_back(port.error());
    }
  }

  SimulatorOptions options_;
  WebPushAccount webpush_account_;
  Population population_;
  Journal journal_;
  DeviceBook book_;
  TopicBook topics_;
  FaultBoard faults_;
  ApnsChannels apns_channels_;
  std::vector<std::unique_ptr<GatewayLoop>> loops_;
  std::unique_ptr<ControlServer> control_;
};

Simulator::Simulator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Simulator::~Simulator() = default;

tl::expected<std::unique_ptr<Simulator>, std::vector<std::string>> Simulator::start(
    SimulatorOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  auto problems = impl->start();
  if (!problems.empty()) return tl::unexpected(std::move(problems));
  return std::unique_ptr<Simulator>(new Simulator(std::move(impl)));
}

const ListenAddress& Simulator::apns_address() const {
  return impl_->options().apns_listen;
}
const ListenAddress& Simulator::fcm_address() const {
  return impl_->options().fcm_listen;
}
std::optional<ListenAddress> Simulator::webpush_address() const {
  if (!impl_->options().webpush) return std::nullopt;
  return impl_->options().webpush_listen;
}
const ListenAddress& Simulator::control_address() const {
  return impl_->options().control_listen;
}
void Simulator::stop() {
  impl_->stop();
}

}  // namespace device_sim
