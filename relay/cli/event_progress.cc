#include "relay/cli/event_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "relay/cli/figures.h"

namespace carillon::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kEventIdChars = 36;  // a UUID as it is printed
constexpr std::size_t kReasonsShown = 10;

const json& member(const json& object, const char* name) {
  static const json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(name);
  return found == object.end() ? nothing : *found;
}

std::string text(const json& object, const char* name) {
  const json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : "";
}

std::uint64_t count(const json& object, const char* name) {
  const json& value = member(object, name);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

std::vector<EventProgress::Reason> reasons_of(const json& by_reason) {
  std::vector<EventProgress::Reason> reasons;
  if (!by_reason.is_object()) return reasons;
  for (const auto& [platform, counts] : by_reason.items()) {
    if (!counts.is_object()) continue;
    for (const auto& [reason, number] : counts.items()) {
      if (!number.is_number_unsigned()) continue;
      reasons.push_back({platform, reason, number.get<std::uint64_t>()});
    }
  }
  std::ranges::stable_sort(reasons, std::ranges::greater(), &EventProgress::Reason::count);
  return reasons;
}

std::map<std::string, std::string> times_of(const json& settled_at) {
  std::map<std::string, std::string> times;
  if (!settled_at.is_object()) return times;
  for (const auto& [share, time] : settled_at.items()) {
    if (time.is_string()) times.emplace(share, time.get<std::string>());
  }
  return times;
}

// The digits of `text` at [at, at + digits) as a number; negative if they are none.
int number_at(std::string_view text, std::size_t at, std::size_t digits) {
  int number = -1;
  const char* const begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, begin + digits, number);
  return error == std::errc() && end == begin + digits ? number : -1;
}

}  // namespace

bool is_event_id(std::string_view text) {
  return text.size() == kEventIdChars &&
         text.find_first_not_of("0123456789abcdefABCDEF-") == text.npos;
}

tl::expected<EventProgress, std::string> parse_event_progress(std::string_view body) {
  const json document = json::parse(body, nullptr, /*allow_exceptions=*/false);
  const json& counters = member(document, "counters");
  EventProgress event{.id = text(document, "id"),
                      .state = text(document, "state"),
                      .accepted_at = text(document, "accepted_at"),
                      .last_outcome_at = text(document, "last_outcome_at"),
                      .reasons = reasons_of(member(document, "by_reason")),
                      .settled_at = times_of(member(document, "settled_at"))};
  if (event.id.empty() || event.state.empty() || !counters.is_object()) {
    return tl::unexpected(std::string("the relay's answer is not an event's progress"));
  }
  event.targeted = count(counters, "targeted");
  event.accepted = count(counters, "accepted");
  event.rejected = count(counters, "rejected");
  event.expired = count(counters, "expired");
  event.suppressed = count(counters, "suppressed");
  event.cancelled = count(counters, "cancelled");
  event.dead_lettered = count(counters, "dead_lettered");
  event.pending = count(counters, "pending");
  const json& rate = member(document, "rate_per_second");
  if (rate.is_number()) event.rate_per_second = rate.get<double>();
  return event;
}

Progress progress_of(const EventProgress& event) {
  const std::uint64_t settled = event.targeted - std::min(event.pending, event.targeted);
  const double fraction = event.targeted == 0
                              ? 1.0
                              : static_cast<double>(settled) / static_cast<double>(event.targeted);
  std::string figures = fmt::format(
      "{} of {}: {} accepted, {} rejected, {} pending", grouped(settled), grouped(event.targeted),
      grouped(event.accepted), grouped(event.rejected), grouped(event.pending));
  if (event.rate_per_second >= 1 && event.pending > 0) {
    const auto left = std::chrono::milliseconds(static_cast<std::int64_t>(
        static_cast<double>(event.pending) / event.rate_per_second * 1'000));
    figures +=
        fmt::format(", {}/s, {} left", grouped(static_cast<std::uint64_t>(event.rate_per_second)),
                    duration_text(left));
  }
  return {.what = event.state, .fraction = fraction, .figures = std::move(figures)};
}

std::string summary_of(const EventProgress& event) {
  std::string lines = fmt::format("event {} {}\n", event.id, event.state);
  const std::pair<const char*, std::uint64_t> counters[] = {
      {"targeted", event.targeted},           {"accepted", event.accepted},
      {"rejected", event.rejected},           {"expired", event.expired},
      {"suppressed", event.suppressed},       {"cancelled", event.cancelled},
      {"dead-lettered", event.dead_lettered}, {"pending", event.pending},
  };
  for (const auto& [name, number] : counters) {
    lines += fmt::format("  {:<14}{:>13}\n", name, grouped(number));
  }
  for (std::size_t i = 0; i < std::min(event.reasons.size(), kReasonsShown); ++i) {
    const auto& [platform, reason, number] = event.reasons[i];
    lines += fmt::format("  {} {}: {}\n", platform, reason, grouped(number));
  }
  if (event.reasons.size() > kReasonsShown) {
    lines += fmt::format("  and {} more reasons\n", event.reasons.size() - kReasonsShown);
  }
  const auto begin = parse_rfc3339_utc(event.accepted_at);
  for (const char* const share : {"50", "95", "99", "100"}) {
    const auto at = event.settled_at.find(share);
    if (at == event.settled_at.end() || !begin) continue;
    if (const auto end = parse_rfc3339_utc(at->second)) {
      lines += fmt::format("  {:>3} % after {}\n", share, duration_text(*end - *begin));
    }
  }
  return lines;
}

std::optional<std::chrono::milliseconds> parse_rfc3339_utc(std::string_view text) {
  using namespace std::chrono;
  // 2026-11-21T02:00:00[.fraction]Z
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':' || text.back() != 'Z') {
    return std::nullopt;
  }
  const int parts[] = {number_at(text, 0, 4),  number_at(text, 5, 2),  number_at(text, 8, 2),
                       number_at(text, 11, 2), number_at(text, 14, 2), number_at(text, 17, 2)};
  if (std::ranges::any_of(parts, [](int part) { return part < 0; })) return std::nullopt;
  const year_month_day date{year(parts[0]), month(static_cast<unsigned>(parts[1])),
                            day(static_cast<unsigned>(parts[2]))};
  if (!date.ok()) return std::nullopt;
  milliseconds since =
      sys_days(date).time_since_epoch() + hours(parts[3]) + minutes(parts[4]) + seconds(parts[5]);
  const std::string_view fraction = text.substr(19, text.size() - 20);
  if (fraction.size() >= 4 && fraction[0] == '.') {
    since += milliseconds(std::max(0, number_at(fraction, 1, 3)));
  }
  return since;
}

}  // namespace carillon::cli
