// One provider of providers/ in the hands of a script: JSON lines in, JSON lines out, so that
// servers in other languages can be put before it.
//
// In: first the configuration, `{"platform": "apns" | "fcm", …}` with the fields of ApnsConfig or
// FcmConfig that are read below, times in milliseconds. Then, any number of times:
//
//   {"submit": {"first": TAG, "count": N, "urgent": false, "body": "…"}}   N targets, tags TAG,
//   TAG+1, …
//   {"health": true}
//   {"close": GRACE_MS}    the end of the input does the same, without grace
//
// Out: `{"problems": […]}` and exit 1, or `{"ready": true}`. Then `{"verdicts": [{tag, kind,
// status, reason, retry_after_s, since_ms}, …]}` as they come, `{"health": {…}}` for each question,
// and
// `{"closed": true}` at the end.
#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "providers/apns/apns_provider.h"
#include "providers/fcm/fcm_provider.h"

namespace carillon::push::provider_driver {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr const char* kEventId = "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11";

const char* name_of(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kAccepted:
      return "accepted";
    case VerdictKind::kTokenDead:
      return "token_dead";
    case VerdictKind::kTokenUnusable:
      return "token_unusable";
    case VerdictKind::kThrottled:
      return "throttled";
    case VerdictKind::kUnavailable:
      return "unavailable";
    case VerdictKind::kNotificationRefused:
      return "notification_refused";
    case VerdictKind::kCredentialRefused:
      return "credential_refused";
    case VerdictKind::kNotSent:
      return "not_sent";
    case VerdictKind::kUnanswered:
      return "unanswered";
  }
  return "unknown";
}

// Lines from the loop's thread and from main's, each whole.
class Output final : public VerdictSink {
 public:
  void say(const json& line) {
    const std::lock_guard lock(mutex_);
    std::cout << line.dump() << '\n' << std::flush;
  }

  void on_verdicts(std::span<const Verdict> verdicts) noexcept override {
    json told = json::array();
    for (const Verdict& verdict : verdicts) {
      told.push_back({{"tag", verdict.tag},
                      {"kind", name_of(verdict.kind)},
                      {"status", verdict.status},
                      {"reason", verdict.reason},
                      {"retry_after_s", verdict.retry_after.count()},
                      {"since_ms", verdict.since_ms.count()}});
    }
    say({{"verdicts", std::move(told)}});
  }

 private:
  std::mutex mutex_;
};

void read_limits(const json& line, ChannelLimits& limits) {
  const auto time = [&](const char* name, milliseconds& field) {
    field = milliseconds(line.value(name, field.count()));
  };
  limits.connections_max = line.value("connections_max", limits.connections_max);
  limits.streams_max = line.value("streams_max", limits.streams_max);
  time("connect_max_ms", limits.connect_max);
  time("request_timeout_ms", limits.request_timeout);
  time("queued_max_ms", limits.queued_max);
  time("stuck_after_ms", limits.stuck_after);
  time("idle_after_ms", limits.idle_after);
  time("ping_max_ms", limits.ping_max);
}

auto make_provider(const json& line, VerdictSink& sink, EventLoop& loop)
    -> tl::expected<std::unique_ptr<Provider>, std::vector<std::string>> {
  if (line.at("platform") == "apns") {
    ApnsConfig config;
    read_limits(line, config);
    config.endpoint = line.at("endpoint");
    config.ca_file = line.at("ca_file");
    config.key_file = line.at("key_file");
    config.key_id = line.at("key_id");
    config.team_id = line.at("team_id");
    config.bundle_id = line.at("bundle_id");
    return make_apns_provider(std::move(config), sink, loop);
  }
  FcmConfig config;
  read_limits(line, config);
  config.endpoint = line.at("endpoint");
  config.ca_file = line.at("ca_file");
  config.service_account_file = line.at("service_account_file");
  config.token_uri = line.at("token_uri");
  return make_fcm_provider(std::move(config), sink, loop);
}

// The tag in hexadecimal, 64 digits in all: good for APNs and for FCM.
std::string token_of(std::uint64_t tag) {
  std::array<char, 65> token{};
  std::snprintf(token.data(), token.size(), "%064llx", static_cast<unsigned long long>(tag));
  return std::string(token.data());
}

PushBatch read_batch(const json& submit, const Provider& provider) {
  Notification notification;
  notification.event_id = kEventId;
  notification.title = "New upload";
  notification.body = submit.value("body", "Channel 42");
  auto rendered = provider.render(notification, std::chrono::system_clock::now());
  if (!rendered) throw std::invalid_argument(rendered.error().message);
  PushBatch batch{.message = std::make_shared<const RenderedMessage>(std::move(*rendered)),
                  .targets = {},
                  .tokens = {},
                  .urgent = submit.value("urgent", false)};
  const std::uint64_t first = submit.at("first");
  const std::uint64_t count = submit.at("count");
  for (std::uint64_t tag = first; tag < first + count; ++tag) {
    const std::string token = token_of(tag);
    PushTarget target{.tag = tag,
                      .token_offset = static_cast<std::uint32_t>(batch.tokens.size()),
                      .token_length = static_cast<std::uint32_t>(token.size())};
    for (unsigned i = 0; i < 8; ++i) target.id[15 - i] = static_cast<std::uint8_t>(tag >> (8 * i));
    batch.targets.push_back(target);
    batch.tokens += token;
  }
  return batch;
}

json tell_health(const Provider& provider) {
  const ProviderHealth health = provider.health();
  return {{"health",
           {{"connections", health.connections},
            {"stream_slots", health.stream_slots},
            {"in_flight", health.in_flight},
            {"queued", health.queued},
            {"last_error", health.last_error}}}};
}

int run() {
  Output output;
  EventLoop loop;
  std::string line;
  if (!std::getline(std::cin, line)) return 1;
  auto made = make_provider(json::parse(line), output, loop);
  if (!made) {
    output.say({{"problems", made.error()}});
    return 1;
  }
  const std::unique_ptr<Provider> provider = std::move(*made);
  output.say({{"ready", true}});
  milliseconds grace{0};
  while (std::getline(std::cin, line)) {
    const json order = json::parse(line);
    if (order.contains("submit")) provider->submit(read_batch(order["submit"], *provider));
    if (order.contains("health")) output.say(tell_health(*provider));
    if (order.contains("close")) {
      grace = milliseconds(order["close"].get<std::int64_t>());
      break;
    }
  }
  provider->close(grace);
  output.say({{"closed", true}});
  return 0;
}

}  // namespace
}  // namespace carillon::push::provider_driver

int main() {
  try {
    return carillon::push::provider_driver::run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "provider_driver: %s\n", error.what());
    return 2;
  }
}
