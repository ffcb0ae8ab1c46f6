#include "tests/device-sim/test_simulator.h"

#include <httplib.h>

#include <stdexcept>

#include "tests/device-sim/test_keys.h"

namespace device_sim {
namespace {

SimulatorOptions with_clock(SimulatorOptions options, std::atomic<std::int64_t>& now_ms) {
  options.unix_ms = [&now_ms] { return now_ms.load(); };
  return options;
}

}  // namespace

SimulatorOptions TestSimulator::default_options() {
  static const std::string kCertificate = apns_test_key().self_signed_certificate_pem();
  SimulatorOptions options;
  options.certificate_pem = kCertificate;
  options.private_key_pem = apns_test_key().private_pem();
  options.apns_listen.port = 0;
  options.fcm_listen.port = 0;
  options.control_listen.port = 0;
  options.apns.topics = {"com.example.video"};
  options.apns.keys = {
      {kTestKeyId, kTestTeamId, apns_test_key().public_key(PublicKey::Kind::kEcP256)}};
  options.fcm.project = "carillon-demo";
  options.fcm.service_account = {.client_email = kTestEmail,
                                 .token_uri = kTestTokenUri,
                                 .public_key = fcm_test_key().public_key(PublicKey::Kind::kRsa)};
  options.devices = 1'000;
  options.seed = 7;
  options.mix = Mix::parse("apns:1,fcm:1").value();
  return options;
}

TestSimulator::TestSimulator(SimulatorOptions options)
    : population_(options.seed, options.mix, options.devices) {
  auto started = Simulator::start(with_clock(std::move(options), now_ms_));
  if (!started) throw std::runtime_error(started.error().front());
  simulator_ = std::move(*started);
}

std::uint64_t TestSimulator::device(Platform platform, std::size_t n) const {
  for (std::uint64_t number = 1; number <= population_.count(); ++number) {
    if (population_.platform_of(number) == platform && n-- == 0) return number;
  }
  throw std::runtime_error("the population has too few devices");
}

std::string TestSimulator::token(Platform platform, std::size_t n) const {
  return population_.tokens().token(platform, device(platform, n));
}

Headers TestSimulator::apns_headers(const std::string& token) const {
  return {{":method", "POST"},
          {":scheme", "https"},
          {":authority", "localhost"},
          {":path", "/3/device/" + token},
          {"authorization", apns_authorization(now_s())},
          {"apns-topic", "com.example.video"},
          {"apns-push-type", "alert"},
          {"apns-id", "0c6a4b5e-3d4f-4c57-9d5b-0f6f5e1f2a3b"},
          {"apns-priority", "10"}};
}

Headers TestSimulator::fcm_headers(const std::string& access_token) const {
  return {{":method", "POST"},
          {":scheme", "https"},
          {":authority", "fcm.googleapis.com:443"},
          {":path", "/v1/projects/carillon-demo/messages:send"},
          {"authorization", "Bearer " + access_token},
          {"content-type", "application/json"}};
}

std::string TestSimulator::fetch_access_token() const {
  Http2Client client(fcm_port());
  const auto answer = client.fetch({{":method", "POST"},
                                    {":scheme", "https"},
                                    {":authority", "localhost"},
                                    {":path", "/token"},
                                    {"content-type", "application/x-www-form-urlencoded"}},
                                   oauth_form(now_s()));
  if (answer.status != 200) throw std::runtime_error("no access token: " + answer.body);
  return nlohmann::json::parse(answer.body).at("access_token").get<std::string>();
}

nlohmann::json TestSimulator::get(const std::string& path) const {
  httplib::Client client(control().host, control().port);
  const auto answer = client.Get(path.c_str());
  if (!answer || answer->status != 200) throw std::runtime_error("GET " + path + " failed");
  return nlohmann::json::parse(answer->body);
}

nlohmann::json TestSimulator::send(const std::string& method, const std::string& path,
                                   const nlohmann::json& body, int expected_status) const {
  httplib::Client client(control().host, control().port);
  const auto answer = method == "PUT" ? client.Put(path.c_str(), body.dump(), "application/json")
                      : method == "POST"
                          ? client.Post(path.c_str(), body.dump(), "application/json")
                          : client.Delete(path.c_str());
  if (!answer || answer->status != expected_status) {
    throw std::runtime_error(method + " " + path + " was answered otherwise than expected");
  }
  return nlohmann::json::parse(answer->body);
}

Headers with(Headers headers, const std::string& name, const std::string& value) {
  for (auto& [key, old] : headers) {
    if (key == name) {
      old = value;
      return headers;
    }
  }
  headers.emplace_back(name, value);
  return headers;
}

Headers without(Headers headers, const std::string& name) {
  std::erase_if(headers, [&](const auto& header) { return header.first == name; });
  return headers;
}

std::string apns_body(const std::string& event) {
  return nlohmann::json{{"aps", {{"alert", {{"title", "New upload"}, {"body", "Bells"}}}}},
                        {"carillon", {{"event", event}}}}
      .dump();
}

std::string fcm_body(const std::string& token, const std::string& event, const std::string& tag) {
  nlohmann::json message{{"token", token},
                         {"notification", {{"title", "New upload"}, {"body", "Bells"}}},
                         {"data", {{"carillon_event", event}}}};
  if (!tag.empty()) message["android"] = {{"notification", {{"tag", tag}}}};
  return nlohmann::json{{"message", std::move(message)}}.dump();
}

}  // namespace device_sim
