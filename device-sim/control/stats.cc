#include "device-sim/control/stats.h"

#include <fmt/format.h>

#include <map>

namespace device_sim {
namespace {

using nlohmann::json;

// One gateway's counters, summed over the loops.
struct GatewaySum {
  std::uint64_t requests = 0;
  std::uint64_t accepted = 0;
  std::map<int, std::uint64_t> by_status;
  std::map<std::string, std::uint64_t> by_reason;  // refusals only
  std::uint64_t tokens_issued = 0;
  std::uint64_t provider_tokens = 0;
  std::uint64_t tokens_refused = 0;
  std::uint64_t validated_only = 0;
  std::uint64_t without_device = 0;
  std::uint64_t without_event = 0;
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t handshakes_failed = 0;
  std::uint64_t streams_open = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

struct ReasonText {
  std::string_view name;
  int status;
};

std::size_t reason_count(Service service) {
  switch (service) {
    case Service::kApns:
      return kApnsReasonCount;
    case Service::kFcm:
      return kFcmReasonCount;
    case Service::kWebPush:
      return kWebPushReasonCount;
  }
  return 0;
}

ReasonText reason_text(Service service, std::size_t reason) {
  if (service == Service::kApns) {
    const ApnsReasonRow& row = apns_row(static_cast<ApnsReason>(reason));
    return {row.reason, row.status};
  }
  if (service == Service::kWebPush) {
    const WebPushReasonRow& row = webpush_row(static_cast<WebPushReason>(reason));
    return {row.name, row.status};
  }
  const FcmReasonRow& row = fcm_row(static_cast<FcmReason>(reason));
  return {row.name, row.status};
}

static_assert(kApnsReasonCount <= GatewayCounters::kReasonsMax &&
              kFcmReasonCount <= GatewayCounters::kReasonsMax &&
              kWebPushReasonCount <= GatewayCounters::kReasonsMax);

void add_loop(const GatewayCounters& loop, Service service, GatewaySum& sum) {
  for (std::size_t i = 0; i < reason_count(service); ++i) {
    const std::uint64_t count = loop.answers[i].get();
    if (count == 0) continue;
    const ReasonText text = reason_text(service, i);
    sum.requests += count;
    sum.by_status[text.status] += count;
    if (i == 0) {
      sum.accepted += count;
    } else {
      sum.by_reason[std::string(text.name)] += count;
    }
  }
  sum.tokens_issued += loop.tokens_issued.get();
  sum.tokens_refused += loop.tokens_refused.get();
  sum.provider_tokens += loop.provider_tokens.get();
  sum.validated_only += loop.validated_only.get();
  sum.without_device += loop.without_device.get();
  sum.without_event += loop.without_event.get();
  sum.connections_opened += loop.connections_opened.get();
  sum.connections_open += loop.connections_open.get();
  sum.handshakes_failed += loop.handshakes_failed.get();
  sum.streams_open += loop.streams_open.get();
  sum.bytes_in += loop.bytes_in.get();
  sum.bytes_out += loop.bytes_out.get();
}

GatewaySum sum_of(const ControlParts& parts, Service service) {
  GatewaySum sum;
  for (const GatewayLoop* loop : parts.loops) add_loop(loop->counters(service), service, sum);
  return sum;
}

json gateway_json(const GatewaySum& sum) {
  json by_status = json::object();
  for (const auto& [status, count] : sum.by_status) by_status[std::to_string(status)] = count;
  return json{{"requests", sum.requests},
              {"accepted", sum.accepted},
              {"by_status", std::move(by_status)},
              {"by_reason", sum.by_reason},
              {"validated_only", sum.validated_only},
              {"accepted_without_device", sum.without_device},
              {"accepted_without_event", sum.without_event},
              {"connections_opened", sum.connections_opened},
              {"connections_open", sum.connections_open},
              {"handshakes_failed", sum.handshakes_failed},
              {"streams_open", sum.streams_open},
              {"bytes_in", sum.bytes_in},
              {"bytes_out", sum.bytes_out}};
}

std::string rfc3339(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     unix_ms % 1'000);
}

json time_json(std::int64_t unix_ms) {
  return unix_ms == 0 ? json() : json(rfc3339(unix_ms));
}

constexpr std::array<Service, kServiceCount> kServices{Service::kApns, Service::kFcm,
                                                       Service::kWebPush};

// One metric family; `line` is called for each gateway with its name and sum.
template <typename Line>
void family(std::string& out, const ControlParts& parts, std::string_view name,
            std::string_view type, std::string_view help, Line line) {
  out += fmt::format("# HELP device_sim_{} {}\n# TYPE device_sim_{} {}\n", name, help, name, type);
  for (const Service service : kServices) line(service_name(service), sum_of(parts, service));
}

}  // namespace

json event_json(const EventCounts& counts) {
  json by_platform = json::object();
  for (std::size_t i = 0; i < kPlatformCount; ++i) {
    const PlatformCounts& platform = counts.by_platform[i];
    by_platform[std::string(platform_name(static_cast<Platform>(i)))] = {
        {"accepted", platform.accepted},
        {"received", platform.received},
        {"unique_devices", platform.unique_devices}};
  }
  return json{{"event", counts.event},
              {"accepted", counts.accepted},
              {"received", counts.received},
              {"waiting", counts.waiting},
              {"superseded", counts.superseded},
              {"expired", counts.expired},
              {"dropped", counts.dropped},
              {"unique_devices", counts.unique_devices},
              {"duplicates", counts.duplicates},
              {"shown_twice", counts.shown_twice},
              {"by_platform", std::move(by_platform)},
              {"first_at", time_json(counts.first_ms)},
              {"last_at", time_json(counts.last_ms)}};
}

json message_json(const PhoneMessage& message) {
  return json{{"sequence", message.sequence},
              {"device", device_id(message.device)},
              {"platform", platform_name(message.platform)},
              {"event", message.event},
              {"title", message.title},
              {"body", message.body},
              {"identity", message.identity},
              {"display", display_name(message.display)},
              {"received_at", rfc3339(message.received_ms)}};
}

json fault_counts_json(const FaultBoard& faults) {
  json counts = json::object();
  for (std::size_t i = 0; i < kFaultCount; ++i) {
    const auto fault = static_cast<Fault>(i);
    counts[std::string(fault_name(fault))] = faults.struck(fault);
  }
  return counts;
}

json stats_json(const ControlParts& parts) {
  const GatewaySum apns = sum_of(parts, Service::kApns);
  const GatewaySum fcm = sum_of(parts, Service::kFcm);
  return json{
      {"apns", gateway_json(apns)},
      {"provider_tokens", {{"brought", apns.provider_tokens}}},
      {"fcm", gateway_json(fcm)},
      {"webpush", gateway_json(sum_of(parts, Service::kWebPush))},
      {"oauth", {{"tokens_issued", fcm.tokens_issued}, {"tokens_refused", fcm.tokens_refused}}},
      {"faults", fault_counts_json(parts.faults)},
      {"journal",
       {{"memory_bytes", parts.journal.memory_bytes()},
        {"events_forgotten", parts.journal.forgotten()}}},
      {"population",
       {{"devices", parts.population.count()},
        {"seed", parts.population.seed()},
        {"mix", parts.population.mix().to_string()},
        {"phones", parts.book.phones().size()}}},
      {"threads", parts.loops.size()}};
}

std::string metrics_text(const ControlParts& parts) {
  std::string out;
  const auto to = [&] { return std::back_inserter(out); };
  family(out, parts, "requests_total", "counter", "Pushes answered, by gateway and reason.",
         [&](std::string_view name, const GatewaySum& sum) {
           fmt::format_to(to(), "device_sim_requests_total{{gateway=\"{}\",reason=\"\"}} {}\n",
                          name, sum.accepted);
           for (const auto& [reason, count] : sum.by_reason) {
             fmt::format_to(to(), "device_sim_requests_total{{gateway=\"{}\",reason=\"{}\"}} {}\n",
                            name, reason, count);
           }
         });
  const auto plain = [&](std::string_view metric, std::uint64_t GatewaySum::*member) {
    return [&, metric, member](std::string_view name, const GatewaySum& sum) {
      fmt::format_to(to(), "device_sim_{}{{gateway=\"{}\"}} {}\n", metric, name, sum.*member);
    };
  };
  family(out, parts, "connections_opened_total", "counter", "TLS connections taken.",
         plain("connections_opened_total", &GatewaySum::connections_opened));
  family(out, parts, "connections_open", "gauge", "TLS connections that are open.",
         plain("connections_open", &GatewaySum::connections_open));
  family(out, parts, "streams_open", "gauge", "HTTP/2 streams that are open.",
         plain("streams_open", &GatewaySum::streams_open));
  family(out, parts, "bytes_in_total", "counter", "Bytes read from the wire.",
         plain("bytes_in_total", &GatewaySum::bytes_in));
  family(out, parts, "bytes_out_total", "counter", "Bytes written to the wire.",
         plain("bytes_out_total", &GatewaySum::bytes_out));
  fmt::format_to(to(),
                 "# HELP device_sim_faults_total Faults that struck.\n"
                 "# TYPE device_sim_faults_total counter\n");
  for (std::size_t i = 0; i < kFaultCount; ++i) {
    const auto fault = static_cast<Fault>(i);
    fmt::format_to(to(), "device_sim_faults_total{{fault=\"{}\"}} {}\n", fault_name(fault),
                   parts.faults.struck(fault));
  }
  fmt::format_to(to(),
                 "# HELP device_sim_journal_memory_bytes Memory of the events' device pages.\n"
                 "# TYPE device_sim_journal_memory_bytes gauge\n"
                 "device_sim_journal_memory_bytes {}\n",
                 parts.journal.memory_bytes());
  return out;
}

}  // namespace device_sim
