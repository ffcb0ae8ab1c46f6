#include "relay/cli/publish_command.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "relay/cli/exit_code.h"

namespace carillon::cli {
namespace {

using nlohmann::json;

void put_if_given(json& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = value;
}

}  // namespace

tl::expected<std::string, std::string> event_body(const PublishOptions& options) {
  if (options.app.empty()) return tl::unexpected(std::string("--app is missing, or --file"));
  if (options.topics.empty() && options.condition.empty() && options.subscribers.empty() &&
      options.devices.empty()) {
    return tl::unexpected(std::string(
        "nobody would get it: say --topic, --condition, --subscriber or --device, or --file"));
  }
  json event{{"app", options.app}};
  if (options.topics.size() == 1) {
    event["topic"] = options.topics.front();
  } else if (!options.topics.empty()) {
    event["topics"] = options.topics;
  }
  put_if_given(event, "condition", options.condition);
  if (!options.subscribers.empty()) event["subscribers"] = options.subscribers;
  if (!options.devices.empty()) event["devices"] = options.devices;
  json notification = json::object();
  put_if_given(notification, "title", options.title);
  put_if_given(notification, "body", options.body);
  put_if_given(notification, "image", options.image);
  if (!notification.empty()) event["notification"] = std::move(notification);
  for (const std::string& pair : options.data) {
    const std::size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0) {
      return tl::unexpected(fmt::format("--data \"{}\": write it as name=value", pair));
    }
    const std::string name = pair.substr(0, equals);
    if (event["data"].contains(name)) {
      return tl::unexpected(fmt::format("--data: \"{}\" is given twice", name));
    }
    event["data"][name] = pair.substr(equals + 1);
  }
  if (options.ttl) event["ttl"] = options.ttl->count();
  put_if_given(event, "priority", options.priority);
  put_if_given(event, "collapse_key", options.collapse_key);
  try {
    return event.dump();
  } catch (const json::type_error&) {  // how the library tells that a string is not UTF-8
    return tl::unexpected(std::string("an option's text is not valid UTF-8"));
  }
}

tl::expected<std::string, std::string> event_file(const std::string& name,
                                                  std::istream& standard_input) {
  std::ifstream file;
  if (name != "-") file.open(name, std::ios::binary);
  std::istream& from = name == "-" ? standard_input : file;
  if (!from || std::filesystem::is_directory(name)) {
    return tl::unexpected(fmt::format("{} cannot be read", name));
  }
  std::string text(kEventFileBytesMax + 1, '\0');
  from.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(from.gcount()));
  if (text.size() > kEventFileBytesMax) {
    return tl::unexpected(
        fmt::format("{} has more than {} bytes, which is no event", name, kEventFileBytesMax));
  }
  if (!json::accept(text)) return tl::unexpected(fmt::format("{} is not valid JSON", name));
  return text;
}

int run_publish(Terminal& terminal, ApiClient& api, const PublishOptions& options) {
  const auto body =
      options.file.empty() ? event_body(options) : event_file(options.file, terminal.in);
  if (!body) {
    terminal.err << fmt::format("carillon: {}\n", body.error());
    return kExitUsage;
  }
  ApiClient::Headers headers;
  if (!options.idempotency_key.empty()) headers.emplace("Idempotency-Key", options.idempotency_key);
  const auto answer = api.post("/v1/events", *body, headers);
  if (!answer || !answer->ok()) {
    terminal.err << fmt::format("carillon: {}\n", answer ? problem_text(*answer) : answer.error());
    return kExitFailure;
  }
  const json accepted = json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  if (!accepted.is_object() || !accepted.contains("id") || !accepted["id"].is_string()) {
    terminal.err << "carillon: the relay's answer names no event\n";
    return kExitFailure;
  }
  const std::string id = accepted["id"];
  terminal.out << id + '\n' << std::flush;
  if (!options.watch) return kExitOk;
  WatchOptions watching = options.watching;
  watching.event = id;
  return run_watch(terminal, api, watching);
}

}  // namespace carillon::cli
