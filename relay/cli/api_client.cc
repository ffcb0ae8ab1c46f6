#include "relay/cli/api_client.h"

#include <fmt/format.h>
#include <httplib.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace carillon::cli {
namespace {

constexpr std::size_t kQuotedBodyBytesMax = 300;  // of an answer that is no problem document

std::string transport_sentence(const std::string& url, httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
      return fmt::format(
          "cannot connect to {}: is the relay running there? ({} or --url says where)", url,
          kUrlVariable);
    case httplib::Error::SSLServerVerification:
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
      return fmt::format(
          "the TLS certificate of {} cannot be verified: name its authority with "
          "--ca-file",
          url);
    case httplib::Error::Read:
      return fmt::format("no complete answer came from {}", url);
    default:
      return fmt::format("the request to {} failed ({})", url, httplib::to_string(error));
  }
}

std::string text_member(const nlohmann::json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace

class ApiClient::Impl {
 public:
  Impl(std::string url, const ApiAddress& address, Timeouts timeouts)
      : url_(std::move(url)), timeouts_(timeouts), client_(url_) {
    client_.set_bearer_token_auth(address.key);
    client_.set_keep_alive(true);
    client_.set_connection_timeout(timeouts.connect);
    client_.set_read_timeout(timeouts.read);
    if (!address.ca_file.empty()) client_.set_ca_cert_path(address.ca_file);
  }

  bool valid() const { return client_.is_valid(); }

  tl::expected<Answer, std::string> get(const std::string& path) {
    return answer_of(client_.Get(path));
  }

  tl::expected<Answer, std::string> post(const std::string& path, const std::string& json,
                                         const Headers& headers) {
    return answer_of(client_.Post(path, httplib::Headers(headers.begin(), headers.end()), json,
                                  "application/json"));
  }

  tl::expected<Answer, std::string> post(const std::string& path) {
    return answer_of(client_.Post(path));
  }

  tl::expected<Answer, std::string> erase(const std::string& path) {
    return answer_of(client_.Delete(path));
  }

  tl::expected<Answer, std::string> stream(const std::string& path,
                                           const std::function<bool(std::string_view)>& on_bytes) {
    Answer answer;
    bool ended_by_us = false;
    client_.set_read_timeout(timeouts_.stream_silence);
    const auto result = client_.Get(
        path, {{"Accept", "text/event-stream"}},
        [&](const httplib::Response& response) {
          answer.status = response.status;
          answer.content_type = response.get_header_value("Content-Type");
          return true;
        },
        [&](const char* data, std::size_t size) {
          if (answer.status != 200) {
            answer.body.append(data, size);
            return answer.body.size() < kErrorBodyBytesMax;
          }
          ended_by_us = !on_bytes({data, size});
          return !ended_by_us;
        });
    client_.set_read_timeout(timeouts_.read);
    if (!result && !ended_by_us) return tl::unexpected(transport_sentence(url_, result.error()));
    return answer;
  }

 private:
  static constexpr std::size_t kErrorBodyBytesMax = 1024 * 1024;

  tl::expected<Answer, std::string> answer_of(const httplib::Result& result) const {
    if (!result) return tl::unexpected(transport_sentence(url_, result.error()));
    return Answer{.status = result->status,
                  .content_type = result->get_header_value("Content-Type"),
                  .body = result->body};
  }

  const std::string url_;
  const Timeouts timeouts_;
  httplib::Client client_;
};

tl::expected<ApiClient, std::string> ApiClient::connect_to(ApiAddress address,
                                                           const Terminal& terminal,
                                                           Timeouts timeouts) {
  std::string url = address.url;
  if (url.empty()) url = terminal.environment(kUrlVariable).value_or(kUrlDefault);
  if (address.key.empty()) address.key = terminal.environment(kKeyVariable).value_or("");
  if (address.key.empty()) {
    return tl::unexpected(
        fmt::format("an API key is needed: set {} or give --key (`carillon keys create` makes one)",
                    kKeyVariable));
  }
  while (url.ends_with('/')) url.pop_back();
  const std::size_t scheme_end = url.find("://");
  const std::string_view scheme = std::string_view(url).substr(0, scheme_end);
  const bool path_behind = scheme_end != url.npos && url.find('/', scheme_end + 3) != url.npos;
  if (scheme_end == url.npos || (scheme != "http" && scheme != "https") || path_behind) {
    return tl::unexpected(fmt::format(
        "\"{}\" is not a relay's address: write http://HOST:PORT or https://HOST:PORT", url));
  }
  auto impl = std::make_unique<Impl>(url, address, timeouts);
  if (!impl->valid()) {
    return tl::unexpected(fmt::format("\"{}\" is not an address that can be connected to", url));
  }
  return ApiClient(std::move(impl));
}

ApiClient::ApiClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiClient::ApiClient(ApiClient&&) noexcept = default;
ApiClient::~ApiClient() = default;

tl::expected<ApiClient::Answer, std::string> ApiClient::get(const std::string& path) {
  return impl_->get(path);
}

tl::expected<ApiClient::Answer, std::string> ApiClient::post(const std::string& path,
                                                             const std::string& json,
                                                             const Headers& headers) {
  return impl_->post(path, json, headers);
}

tl::expected<ApiClient::Answer, std::string> ApiClient::post(const std::string& path) {
  return impl_->post(path);
}

tl::expected<ApiClient::Answer, std::string> ApiClient::erase(const std::string& path) {
  return impl_->erase(path);
}
tl::expected<ApiClient::Answer, std::string> ApiClient::stream(
    const std::string& path, const std::function<bool(std::string_view)>& on_bytes) {
  return impl_->stream(path, on_bytes);
}

std::string path_segment(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string problem_text(const ApiClient::Answer& answer) {
  const auto document = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  const std::string title = document.is_object() ? text_member(document, "title") : "";
  if (title.empty()) {
    return fmt::format("the relay answered {}: {}", answer.status,
                       answer.body.substr(0, kQuotedBodyBytesMax));
  }
  std::string text = fmt::format("{} ({})", title, answer.status);
  const std::string detail = text_member(document, "detail");
  if (!detail.empty() && detail != title) text += fmt::format("\n  {}", detail);
  const auto errors = document.find("errors");
  if (errors == document.end() || !errors->is_array()) return text;
  for (const auto& error : *errors) {
    if (!error.is_object()) continue;
    std::string message = text_member(error, "detail");
    if (message.empty()) message = text_member(error, "message");
    text += fmt::format("\n  {}: {}", text_member(error, "pointer"), message);
  }
  return text;
}

}  // namespace carillon::cli
