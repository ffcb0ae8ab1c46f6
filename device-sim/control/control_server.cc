#include "device-sim/control/control_server.h"

#include <fmt/format.h>
#include <httplib.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <nlohmann/json.hpp>
#include <thread>

#include "device-sim/control/phones_page.h"
#include "device-sim/control/stats.h"

namespace device_sim {
namespace {

using nlohmann::json;

constexpr const char* kJsonType = "application/json";
// One request a thread; a page or a `listen` keeps one busy for as long as it is open.
constexpr std::size_t kThreads = 32;
constexpr std::size_t kBodyBytesMax = 64 * 1024;
constexpr std::time_t kKeepAliveSeconds = 1;
constexpr std::size_t kEventsListed = 20;
constexpr std::int64_t kWaitMsMax = 30'000;
constexpr auto kStreamTick = std::chrono::milliseconds(500);

void answer(httplib::Response& response, const json& body, int status = 200) {
  response.status = status;
  response.set_content(body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n", kJsonType);
}

void refuse(httplib::Response& response, int status, std::string_view sentence) {
  answer(response, {{"error", sentence}}, status);
}

std::optional<std::int64_t> number_parameter(const httplib::Request& request, const char* name) {
  if (!request.has_param(name)) return std::nullopt;
  const std::string text = request.get_param_value(name);
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ptr != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// A member that must be a boolean if it is there; false when it is something else.
bool read_flag(const json& body, const char* name, std::optional<bool>& flag) {
  const auto found = body.find(name);
  if (found == body.end()) return true;
  if (!found->is_boolean()) return false;
  flag = found->get<bool>();
  return true;
}

}  // namespace

class ControlServer::Impl {
 public:
  explicit Impl(ControlParts parts) : parts_(std::move(parts)) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_payload_max_length(kBodyBytesMax);
    server_.set_keep_alive_timeout(kKeepAliveSeconds);
    // The library's own options share the port with whoever asks: then nobody would notice that it
    // is in use.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    add_routes();
  }

  ~Impl() { stop(); }

  tl::expected<std::uint16_t, std::string> bind(const ListenAddress& address) {
    const int port = address.port == 0 ? server_.bind_to_any_port(address.host)
                     : server_.bind_to_port(address.host, address.port) ? address.port
                                                                        : -1;
    if (port > 0) return static_cast<std::uint16_t>(port);
    return tl::unexpected(
        fmt::format("cannot listen on {} for the control API; stop what uses the address, or "
                    "choose another with --control",
                    address.to_string()));
  }

  void start() {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "control");
      server_.listen_after_bind();
    });
    // stop() has no effect on a server that has not begun to listen.
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  void stop() {
    stopping_ = true;
    if (!thread_.joinable()) return;
    server_.stop();
    thread_.join();
  }

 private:
  using Request = httplib::Request;
  using Response = httplib::Response;

  void add_routes() {
    server_.Get("/", [](const Request&, Response& response) {
      response.set_content(std::string(phones_page()), "text/html; charset=utf-8");
    });
    server_.Get("/healthz", [](const Request&, Response& response) {
      answer(response, {{"status", "ok"}});
    });
    server_.Get("/metrics", [this](const Request&, Response& response) {
      response.set_content(metrics_text(parts_), "text/plain; version=0.0.4");
    });
    server_.Get("/sim/stats", [this](const Request&, Response& response) {
      answer(response, stats_json(parts_));
    });
    server_.Get("/sim/events", [this](const Request&, Response& response) {
      answer(response, {{"events", events_json()}});
    });
    server_.Get(R"(/sim/events/([^/]+))", [this](const Request& request, Response& response) {
      get_event(request, response);
    });
    server_.Get("/sim/faults",
                [this](const Request&, Response& response) { answer(response, faults_json()); });
    server_.Put("/sim/faults", [this](const Request& request, Response& response) {
      put_faults(request, response);
    });
    server_.Delete("/sim/faults", [this](const Request&, Response& response) {
      parts_.faults.set({});
      answer(response, faults_json());
    });
    server_.Get(R"(/sim/devices/([^/]+))", [this](const Request& request, Response& response) {
      get_device(request, response);
    });
    server_.Get(R"(/sim/channels/([^/]+))", [this](const Request& request, Response& response) {
      answer(response, channels_json(request.matches[1].str()));
    });
    server_.Post(R"(/sim/devices/([^/]+))", [this](const Request& request, Response& response) {
      post_device(request, response);
    });
    server_.Get("/sim/phones", [this](const Request&, Response& response) {
      answer(response, {{"phones", phones_json(parts_.book.phones())}});
    });
    server_.Post("/sim/phones", [this](const Request& request, Response& response) {
      post_phones(request, response);
    });
    server_.Get("/sim/phones/messages", [this](const Request& request, Response& response) {
      get_messages(request, response);
    });
    server_.Get("/sim/stream", [this](const Request&, Response& response) { stream(response); });
  }

  json events_json() const {
    parts_.book.expire(parts_.unix_ms());
    json events = json::array();
    for (const EventCounts& counts : parts_.journal.newest(kEventsListed)) {
      events.push_back(event_json(counts));
    }
    return events;
  }

  json faults_json() const {
    return {{"plan", to_json(*parts_.faults.plan())}, {"struck", fault_counts_json(parts_.faults)}};
  }

  json phones_json(const std::vector<Phone>& phones) const {
    json list = json::array();
    for (const Phone& phone : phones) {
      list.push_back({{"device", device_id(phone.number)},
                      {"platform", platform_name(phone.platform)},
                      {"subscriber", subscriber_id(phone.number)}});
      if (phone.platform == Platform::kWebPush) {
        std::string subscription;
        append_subscription(parts_.population, parts_.webpush_origin, phone.number, subscription);
        list.back()["subscription"] = json::parse(subscription);
      } else {
        list.back()["token"] = parts_.population.tokens().token(phone.platform, phone.number);
      }
    }
    return list;
  }

  // An event that no push has carried yet has been received by nobody: zeros, not an error.
  void get_event(const Request& request, Response& response) {
    const std::string event = request.matches[1];
    parts_.book.expire(parts_.unix_ms());
    const auto record = parts_.journal.find(event);
    json body = event_json(record ? record->counts() : EventCounts{.event = event});
    body["known"] = record != nullptr;
    answer(response, body);
  }

  void put_faults(const Request& request, Response& response) {
    auto plan = parse_fault_plan(json::parse(request.body, nullptr, false));
    if (!plan) {
      json problems = json::array();
      for (const FaultPlanProblem& problem : plan.error()) problems.push_back(problem.sentence);
      answer(response, {{"error", "the fault plan is not valid"}, {"problems", problems}}, 400);
      return;
    }
    parts_.faults.set(std::move(*plan));
    answer(response, faults_json());
  }

  // The device that the path names; answers itself when there is none.
  std::optional<std::uint64_t> device_of(const Request& request, Response& response) {
    const auto number = parse_device_id(std::string(request.matches[1]));
    if (number && parts_.book.state(*number)) return number;
    refuse(response, 404, "there is no such device; ids look like d-0000001");
    return std::nullopt;
  }

  json device_json(std::uint64_t number) {
    const DeviceState state = *parts_.book.state(number);
    json inbox = json::array();
    for (const PhoneMessage& message : parts_.book.inbox(number)) {
      inbox.push_back(message_json(message));
    }
    const DeviceBook::Waiting waiting = parts_.book.waiting(number, parts_.unix_ms());
    json kept = json::array();
    for (const DeviceBook::Waiting::Push& push : waiting.pushes) {
      kept.push_back({{"event", push.event.empty() ? json() : json(push.event)},
                      {"title", push.title},
                      {"until_ms", push.until_ms}});
    }
    json recent = json::array();
    for (GatewayLoop* loop : parts_.loops) {
      for (const RecentSend& send : loop->recent_of(number)) {
        const auto record = parts_.journal.find_serial(send.event_serial);
        recent.push_back({{"event", record ? json(record->event()) : json()},
                          {"accepted_ms", send.accepted_ms}});
      }
    }
    return {{"device", device_id(number)},
            {"platform", platform_name(state.platform)},
            {"is_phone", state.is_phone},
            {"online", state.online},
            {"uninstalled", state.uninstalled_ms != 0},
            {"inbox", std::move(inbox)},
            {"kept", std::move(kept)},
            {"deletions", waiting.deletions},
            {"topics", parts_.topics.topics_of(number)},
            {"recent", std::move(recent)}};
  }

  // The channels of an app; none of an unknown one.
  json channels_json(const std::string& app) const {
    json channels = json::object();
    for (const std::string& id : parts_.channels.list(app)) {
      const auto channel = parts_.channels.find(app, id);
      if (!channel) continue;  // deleted in between
      json latest;
      if (channel->latest) {
        latest = {{"payload", json::parse(channel->latest->payload, nullptr, false)},
                  {"priority", channel->latest->priority},
                  {"expiration_s", channel->latest->expiration_s}};
      }
      channels[id] = {{"storage_policy", channel->storage_policy},
                      {"broadcasts", channel->broadcasts},
                      {"latest", std::move(latest)}};
    }
    return {{"channels", std::move(channels)}};
  }

  void get_device(const Request& request, Response& response) {
    if (const auto number = device_of(request, response)) answer(response, device_json(*number));
  }

  void post_device(const Request& request, Response& response) {
    const auto number = device_of(request, response);
    if (!number) return;
    const json body = json::parse(request.body, nullptr, false);
    std::optional<bool> online;
    std::optional<bool> uninstalled;
    const bool valid =
        body.is_object() && read_flag(body, "online", online) &&
        read_flag(body, "uninstalled", uninstalled) &&
        body.size() == static_cast<std::size_t>(online.has_value()) + uninstalled.has_value();
    if (!valid) {
      return refuse(response, 400,
                    "the body must be an object of online and uninstalled, booleans");
    }
    parts_.book.set_state(*number, online, uninstalled, parts_.unix_ms());
    answer(response, device_json(*number));
  }

  void post_phones(const Request& request, Response& response) {
    const json body = json::parse(request.body, nullptr, false);
    if (!body.is_object() || !body.contains("count") || !body["count"].is_number_unsigned()) {
      return refuse(response, 400, "the body must be an object with count, and platform if wanted");
    }
    std::optional<Platform> platform;
    if (body.contains("platform")) {
      const auto parsed =
          parse_platform(body["platform"].is_string() ? body["platform"].get<std::string>() : "");
      if (!parsed) return refuse(response, 400, parsed.error());
      platform = *parsed;
    }
    const auto phones = parts_.book.add_phones(body["count"].get<std::size_t>(), platform);
    if (!phones) return refuse(response, 400, phones.error());
    answer(response, {{"phones", phones_json(*phones)}}, 201);
  }

  void get_messages(const Request& request, Response& response) {
    const std::int64_t after = number_parameter(request, "after").value_or(0);
    const std::int64_t wait_ms =
        std::min(number_parameter(request, "wait_ms").value_or(0), kWaitMsMax);
    json messages = json::array();
    for (const PhoneMessage& message : parts_.book.messages_after(
             static_cast<std::uint64_t>(after), std::chrono::milliseconds(wait_ms))) {
      messages.push_back(message_json(message));
    }
    answer(response,
           {{"messages", std::move(messages)}, {"last_sequence", parts_.book.last_sequence()}});
  }

  // Server-Sent Events: `state` at most twice a second when something has changed, `message` for
  // every notification of a phone.
  void stream(Response& response) {
    response.set_header("Cache-Control", "no-store");
    response.set_chunked_content_provider(
        "text/event-stream", [this, sequence = std::uint64_t{0}, last_state = std::string()](
                                 std::size_t, httplib::DataSink& sink) mutable {
          std::string out;
          const std::string state = state_json().dump();
          if (state != last_state) {
            out += fmt::format("event: state\ndata: {}\n\n", state);
            last_state = state;
          }
          for (const PhoneMessage& message : parts_.book.messages_after(sequence, kStreamTick)) {
            sequence = message.sequence;
            out += fmt::format(
                "event: message\ndata: {}\n\n",
                message_json(message).dump(-1, ' ', false, json::error_handler_t::replace));
          }
          if (out.empty()) out = ": tick\n\n";  // shows whether the reader is still there
          if (!sink.write(out.data(), out.size())) return false;
          if (stopping_) sink.done();
          return true;
        });
  }

  json state_json() const {
    return {{"phones", phones_json(parts_.book.phones())},
            {"events", events_json()},
            {"faults", faults_json()},
            {"stats", stats_json(parts_)}};
  }

  ControlParts parts_;
  httplib::Server server_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

ControlServer::ControlServer(ControlParts parts)
    : impl_(std::make_unique<Impl>(std::move(parts))) {}
ControlServer::~ControlServer() = default;

tl::expected<std::uint16_t, std::string> ControlServer::bind(const ListenAddress& address) {
  return impl_->bind(address);
}
void ControlServer::start() {
  impl_->start();
}
void ControlServer::stop() {
  impl_->stop();
}

}  // namespace device_sim
