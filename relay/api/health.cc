#include "relay/api/health.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <string>

#include "relay/api/event_document.h"

namespace carillon::api {
namespace {

using Json = nlohmann::ordered_json;

bool is_ready(const push::ProviderHealth& provider) {
  return provider.last_error.empty() || provider.connections > 0;
}

std::string_view guard_name(fanout::TokenGuard::State state) {
  switch (state) {
    case fanout::TokenGuard::State::kLearning:
      return "learning";
    case fanout::TokenGuard::State::kCalm:
      return "calm";
    case fanout::TokenGuard::State::kSuspicious:
      break;
  }
  return "suspicious";
}

Json provider_document(const fanout::LaneStats& lane) {
  // Suspicion and alarm are no reason not to be ready: what is sent is sent.
  return Json{{"app", lane.app},
              {"platform", platform_name(static_cast<store::Platform>(lane.platform))},
              {"ready", is_ready(lane.provider)},
              {"connections", lane.provider.connections},
              {"in_flight", lane.provider.in_flight},
              {"queued", lane.provider.queued},
              {"tokens", guard_name(lane.guard)},
              {"dead_percent", lane.dead_percent},
              {"credential_alarm",
               lane.credential_alarm.empty() ? Json(nullptr) : Json(lane.credential_alarm)},
              {"last_error",
               lane.provider.last_error.empty() ? Json(nullptr) : Json(lane.provider.last_error)}};
}

}  // namespace

Reply health() {
  Reply reply{.status = 200};
  reply.body = "{\"status\":\"alive\"}\n";
  return reply;
}

Reply Readiness::check() {
  return latest_.get(clocks_.monotonic(), [this] { return check_now(); });
}

Reply Readiness::check_now() {
  const auto writable = store_.check_writable();
  if (!writable) spdlog::warn("not ready: {}", writable.error().message);
  bool ready = writable.has_value();
  Json providers = Json::array();
  const fanout::EngineStats engine = publisher_.stats();
  for (const fanout::LaneStats& lane : engine.lanes) {
    ready = ready && is_ready(lane.provider);
    providers.push_back(provider_document(lane));
  }
  Reply reply{.status = ready ? 200 : 503};
  Json document{{"status", ready ? "ready" : "not ready"},
                {"store",
                 {{"writable", writable.has_value()},
                  {"error", writable ? Json(nullptr) : Json(writable.error().message)},
                  {"checkpoint_error",
                   engine.store_error.empty() ? Json(nullptr) : Json(engine.store_error)}}},
                {"providers", providers}};
  if (const auto stats = store_.stats()) document["quarantined"] = stats->quarantined;
  reply.body = document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (!ready) reply.headers.emplace_back("Retry-After", "2");
  return reply;
}

}  // namespace carillon::api
