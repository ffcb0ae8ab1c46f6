#include "relay/cli/events_command.h"

#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "relay/cli/event_progress.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"

namespace carillon::cli {
namespace {

using EventsJson = nlohmann::ordered_json;
using ApiResult = tl::expected<ApiClient::Answer, std::string>;

int complain(Terminal& terminal, const std::string& sentence, int code) {
  terminal.err << fmt::format("carillon: {}\n", sentence);
  return code;
}

// Prints the document of a 2xx, as it is or as `text` says it.
int show_answer(Terminal& terminal, const ApiResult& answer, bool as_json,
                const std::function<std::string(const EventsJson&)>& text) {
  if (!answer || !answer->ok()) {
    return complain(terminal, answer ? problem_text(*answer) : answer.error(), kExitFailure);
  }
  const EventsJson document = EventsJson::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) {
    return complain(terminal, "the relay's answer is not a JSON object", kExitFailure);
  }
  terminal.out << (as_json ? document.dump() + "\n" : text(document)) << std::flush;
  return kExitOk;
}

std::optional<int> refuse_id(Terminal& terminal, const std::string& id) {
  if (is_event_id(id)) return std::nullopt;
  return complain(
      terminal,
      fmt::format("\"{}\" is not an event's id: it is what `carillon publish` prints", id),
      kExitUsage);
}

std::uint64_t number(const EventsJson& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string word(const EventsJson& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string list_text(const EventsJson& page) {
  std::string lines;
  for (const EventsJson& event : page.value("events", EventsJson::array())) {
    const EventsJson counters = event.value("counters", EventsJson::object());
    lines += fmt::format("{}  {:<9}  {}  {:>11} targeted {:>11} pending  {}\n", word(event, "id"),
                         word(event, "state"), word(event, "accepted_at"),
                         grouped(number(counters, "targeted")),
                         grouped(number(counters, "pending")), word(event, "app"));
  }
  if (lines.empty()) return "no events\n";
  if (!word(page, "next").empty()) {
    const EventsJson& last = page["events"].back();
    lines += fmt::format("more: --before {}\n", word(last, "id"));
  }
  return lines;
}

std::string show_text(const EventsJson& event) {
  const auto progress = parse_event_progress(event.dump());
  if (!progress) return progress.error() + "\n";
  std::string text = summary_of(*progress);
  const std::uint64_t limit = number(event, "rate_limit_per_second");
  if (limit != 0) text += fmt::format("  at most {} devices a second\n", grouped(limit));
  return text;
}

std::string steered_text(const EventsJson& answer) {
  std::string state = word(answer, "state");
  if (answer.value("cancelling", false)) state = "is cancelled when the last answers have come";
  std::string text = fmt::format("event {} {}{}\n", word(answer, "id"), state,
                                 answer.value("changed", true) ? "" : ", as before");
  const std::uint64_t limit = number(answer, "rate_limit_per_second");
  if (limit != 0) text += fmt::format("  at most {} devices a second\n", grouped(limit));
  const EventsJson boundary = answer.value("boundary", EventsJson::object());
  const EventsJson by_provider = boundary.value("by_provider", EventsJson::object());
  for (const auto& [provider, job] : by_provider.items()) {
    text += fmt::format(
        "  {}: {} targeted: {} settled, {} unanswered, {} to be tried again, {} not handed out\n",
        provider, grouped(number(job, "targeted")), grouped(number(job, "settled")),
        grouped(number(job, "unanswered")), grouped(number(job, "retrying")),
        grouped(number(job, "not_handed_out")));
  }
  return text;
}

std::string replayed_text(const EventsJson& answer) {
  std::string text = fmt::format("event {} {}: {} sent again\n", word(answer, "id"),
                                 word(answer, "state"), counted(number(answer, "taken"), "device"));
  if (const std::uint64_t lost = number(answer, "counted_only"); lost != 0) {
    text += fmt::format("  {} more failed, of whom only the number is known\n", grouped(lost));
  }
  if (const std::uint64_t dead = number(answer, "token_dead"); dead != 0) {
    text += fmt::format("  {} left alone: their tokens are dead\n", grouped(dead));
  }
  return text;
}

std::string failures_text(const EventsJson& page) {
  std::string lines;
  for (const EventsJson& failure : page.value("failures", EventsJson::array())) {
    const std::string device = word(failure, "device");
    lines += fmt::format("{}  {:<7}  {:<13}  {:>2}  {}  {}\n", word(failure, "at"),
                         word(failure, "provider"), word(failure, "outcome"),
                         number(failure, "attempts"), word(failure, "reason"),
                         device.empty() ? "(gone since)" : device);
  }
  if (lines.empty()) lines = "no failures\n";
  if (const std::uint64_t lost = number(page, "counted_only"); lost != 0) {
    lines += fmt::format("{} more of the event failed, of whom only the number is known\n",
                         grouped(lost));
  }
  if (const std::string next = word(page, "next"); !next.empty()) {
    lines += fmt::format("more: --after {}\n", next);
  }
  return lines;
}

std::string fate_text(const EventsJson& fate) {
  std::string text = fmt::format("{} ({}): {}\n", word(fate, "outcome"), word(fate, "basis"),
                                 word(fate, "explanation"));
  for (const char* const name : {"provider", "reason", "at", "next_attempt_at"}) {
    if (const std::string value = word(fate, name); !value.empty()) {
      text += fmt::format("  {}: {}\n", name, value);
    }
  }
  if (const std::uint64_t attempts = number(fate, "attempts"); attempts != 0) {
    text += fmt::format("  attempts: {}\n", attempts);
  }
  return text;
}

std::string path_of(const EventsOptions& options, const std::string& action = "") {
  return "/v1/events/" + options.event + (action.empty() ? "" : "/" + action);
}

}  // namespace

int run_events_list(Terminal& terminal, ApiClient& api, const EventsOptions& options) {
  if (!options.before.empty()) {
    if (const auto refused = refuse_id(terminal, options.before)) return *refused;
  }
  std::string path = "/v1/events";
  if (options.limit != 0) path += fmt::format("?limit={}", options.limit);
  if (!options.before.empty()) {
    path += fmt::format("{}before={}", options.limit != 0 ? "&" : "?", options.before);
  }
  return show_answer(terminal, api.get(path), options.json, list_text);
}

int run_events_show(Terminal& terminal, ApiClient& api, const EventsOptions& options) {
  if (const auto refused = refuse_id(terminal, options.event)) return *refused;
  return show_answer(terminal, api.get(path_of(options)), options.json, show_text);
}

int run_events_steer(Terminal& terminal, ApiClient& api, const EventsOptions& options,
                     const std::string& action) {
  if (const auto refused = refuse_id(terminal, options.event)) return *refused;
  const std::string path = path_of(options, action);
  if (action != "rate") {
    return show_answer(terminal, api.post(path), options.json, steered_text);
  }
  const EventsJson body{
      {"per_second", options.per_second ? EventsJson(*options.per_second) : EventsJson(nullptr)}};
  return show_answer(terminal, api.post(path, body.dump(), {}), options.json, steered_text);
}

int run_events_replay(Terminal& terminal, ApiClient& api, const EventsOptions& options) {
  if (const auto refused = refuse_id(terminal, options.event)) return *refused;
  EventsJson body = EventsJson::object();
  if (!options.outcomes.empty()) body["outcomes"] = options.outcomes;
  if (!options.reasons.empty()) body["reasons"] = options.reasons;
  if (!options.provider.empty()) body["provider"] = options.provider;
  if (options.ttl) body["ttl"] = options.ttl->count();
  std::string text;
  try {
    text = body.dump();
  } catch (const EventsJson::type_error&) {  // how the library tells that a string is not UTF-8
    return complain(terminal, "an option's text is not valid UTF-8", kExitUsage);
  }
  return show_answer(terminal, api.post(path_of(options, "replay"), text, {}), options.json,
                     replayed_text);
}

int run_events_failures(Terminal& terminal, ApiClient& api, const EventsOptions& options) {
  if (const auto refused = refuse_id(terminal, options.event)) return *refused;
  std::string path = path_of(options, "failures");
  char separator = '?';
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    path += fmt::format("{}{}={}", std::exchange(separator, '&'), name, path_segment(value));
  };
  if (options.limit != 0) add("limit", std::to_string(options.limit));
  add("after", options.after);
  add("provider", options.provider);
  if (!options.outcomes.empty()) add("outcome", options.outcomes.front());
  return show_answer(terminal, api.get(path), options.json, failures_text);
}

int run_events_explain(Terminal& terminal, ApiClient& api, const EventsOptions& options) {
  if (const auto refused = refuse_id(terminal, options.event)) return *refused;
  return show_answer(terminal, api.get(path_of(options, "devices/" + path_segment(options.device))),
                     options.json, fate_text);
}

}  // namespace carillon::cli
