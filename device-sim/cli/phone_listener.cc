#include "device-sim/cli/phone_listener.h"

#include <fmt/format.h>
#include <httplib.h>

#include <nlohmann/json.hpp>

namespace device_sim {
namespace {

using nlohmann::json;
using Problem = tl::unexpected<std::string>;

// How long one question for messages waits at the simulator: also how late a signal is noticed.
constexpr int kWaitMs = 500;
constexpr std::time_t kTimeoutSeconds = 10;
constexpr const char* kJson = "application/json";

std::string_view model_of(std::string_view platform) {
  if (platform == "webpush") return "browser";
  return platform == "apns" ? "iPhone" : "Android";
}

// What an API says about an error: RFC 9457's detail or title, or the simulator's own member.
std::string explanation(const httplib::Response& response) {
  const json body = json::parse(response.body, nullptr, false);
  for (const char* member : {"detail", "title", "error"}) {
    if (body.is_object() && body.contains(member) && body[member].is_string()) {
      return printable(body[member].get<std::string>());
    }
  }
  return fmt::format("status {}", response.status);
}

// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
std::string path_segment(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string clean(text);
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const auto byte = static_cast<unsigned char>(clean[i]);
    // U+0080 to U+009F are controls as well: 0xc2 and 0x80 to 0x9f in UTF-8.
    const bool is_c1 =
        byte >= 0x80 && byte <= 0x9f && i > 0 && static_cast<unsigned char>(text[i - 1]) == 0xc2;
    if (is_c1) clean[i - 1] = ' ';
    if (byte < 0x20 || byte == 0x7f || is_c1) clean[i] = ' ';
  }
  return clean;
}

class PhoneListener::Endpoints {
 public:
  explicit Endpoints(const ListenPlan& plan) : control(plan.control_url), relay(plan.relay_url) {
    for (httplib::Client* client : {&control, &relay}) {
      client->set_connection_timeout(kTimeoutSeconds);
      client->set_read_timeout(kTimeoutSeconds);
      client->set_keep_alive(true);
    }
    relay.set_bearer_token_auth(plan.api_key);
  }

  httplib::Client control;
  httplib::Client relay;
};

PhoneListener::PhoneListener(ListenPlan plan, Print print)
    : plan_(std::move(plan)),
      print_(std::move(print)),
      endpoints_(std::make_unique<Endpoints>(plan_)) {}

PhoneListener::~PhoneListener() = default;

tl::expected<void, std::string> PhoneListener::enrol() {
  if (!endpoints_->control.is_valid() || !endpoints_->relay.is_valid()) {
    return Problem(fmt::format("'{}' or '{}' is not a URL such as http://127.0.0.1:8080",
                               plan_.control_url, plan_.relay_url));
  }
  if (auto created = create_phones(); !created) return created;
  print_("listening");
  return {};
}

tl::expected<void, std::string> PhoneListener::create_phones() {
  auto& control = endpoints_->control;
  const auto before = control.Get("/sim/phones/messages?wait_ms=0");
  const auto created = control.Post("/sim/phones", json{{"count", plan_.count}}.dump(), kJson);
  if (!before || !created) {
    return Problem(
        fmt::format("the simulator at {} does not answer ({}); start device-sim serve, "
                    "or name its control address with --control",
                    plan_.control_url, httplib::to_string(created.error())));
  }
  if (created->status != 201) {
    return Problem(fmt::format("the simulator refuses to make phones: {}", explanation(*created)));
  }
  last_sequence_ = json::parse(before->body).at("last_sequence").get<std::uint64_t>();
  const json list = json::parse(created->body);
  for (const json& phone : list.at("phones")) {
    if (auto enrolled = enrol_phone(phone); !enrolled) return enrolled;
  }
  return {};
}

tl::expected<void, std::string> PhoneListener::enrol_phone(const json& created) {
  Phone phone;
  phone.device = created.at("device").get<std::string>();
  phone.platform = created.at("platform").get<std::string>();
  phone.label = fmt::format("phone {} ({})", phones_.size() + 1, model_of(phone.platform));
  json body{{"platform", phone.platform},
            {"subscriber", created.at("subscriber")},
            {"topics", json::array({plan_.topic})}};
  const char* const address = phone.platform == "webpush" ? "subscription" : "token";
  body[address] = created.at(address);
  const auto answer = endpoints_->relay.Put(
      fmt::format("/v1/apps/{}/devices/{}", path_segment(plan_.app), path_segment(phone.device)),
      body.dump(), kJson);
  if (!answer) {
    return Problem(
        fmt::format("the relay at {} does not answer ({}); start carillon serve, or name "
                    "it with --relay or CARILLON_URL",
                    plan_.relay_url, httplib::to_string(answer.error())));
  }
  if (answer->status < 200 || answer->status > 299) {
    return Problem(fmt::format("the relay refuses {}: {}", phone.label, explanation(*answer)));
  }
  print_(fmt::format("{} enrolled as {}, follows {}", phone.label, phone.device, plan_.topic));
  phones_.push_back(std::move(phone));
  return {};
}

tl::expected<bool, std::string> PhoneListener::follow(const std::atomic<bool>& stop) {
  const auto begin = std::chrono::steady_clock::now();
  while (!stop) {
    if (plan_.events && has_shown_all()) return true;
    if (plan_.duration && std::chrono::steady_clock::now() - begin >= *plan_.duration) {
      return !plan_.events.has_value();
    }
    if (auto taken = take_messages(); !taken) {
      if (stop) return true;
      return Problem(taken.error());
    }
  }
  return true;
}

tl::expected<void, std::string> PhoneListener::take_messages() {
  const auto answer = endpoints_->control.Get(
      fmt::format("/sim/phones/messages?after={}&wait_ms={}", last_sequence_, kWaitMs));
  if (!answer || answer->status != 200) {
    return Problem(fmt::format("the simulator at {} no longer answers", plan_.control_url));
  }
  const json list = json::parse(answer->body);
  for (const json& message : list.at("messages")) {
    last_sequence_ = message.at("sequence").get<std::uint64_t>();
    show(message);
  }
  return {};
}

void PhoneListener::show(const json& message) {
  const auto text = [&](const char* member) {
    return printable(message.at(member).get<std::string>());
  };
  for (Phone& phone : phones_) {
    if (phone.device != text("device")) continue;
    ++phone.received;
    const std::string event = text("event");
    const std::string display = text("display");
    if (display != "folded") phone.shown.insert(event);
    const std::string title = text("title");
    const std::string body = text("body");
    print_(fmt::format("{} {}: {}{}{} [event {}]", phone.label, display, title,
                       title.empty() || body.empty() ? "" : ": ", body,
                       event.empty() ? "unknown" : event));
  }
}

bool PhoneListener::has_shown_all() const {
  for (const Phone& phone : phones_) {
    if (phone.shown.size() < *plan_.events) return false;
  }
  return true;
}

void PhoneListener::print_summary() const {
  for (const Phone& phone : phones_) {
    print_(fmt::format("{} received {} and showed {}", phone.label, phone.received,
                       phone.shown.size()));
  }
}

}  // namespace device_sim
