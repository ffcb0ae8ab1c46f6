#include "relay/api/outcomes_resource.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "relay/api/event_document.h"
#include "relay/api/store_problem.h"
#include "relay/fanout/event_id.h"

namespace carillon::api {
namespace {

using OutcomeJson = nlohmann::ordered_json;
using RowKind = store::OutcomeRow::Kind;

// How often a request that waits looks: a read of one row.
constexpr std::chrono::milliseconds kOutcomesLook{100};

std::optional<std::uint64_t> outcome_number(std::string_view text, std::uint64_t least,
                                            std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number < least || number > most ? std::nullopt : std::optional(number);
}

struct OutcomeQuery {
  std::uint64_t after = 0;
  std::uint64_t limit = kOutcomesPageDefault;
  std::uint64_t wait_s = 0;
};

// The first parameter that cannot be taken, as a sentence.
std::optional<std::string> read_outcome_query(const Target& target, OutcomeQuery& query) {
  for (const auto& [name, value] : target.query) {
    const bool is_after = name == "after", is_limit = name == "limit";
    const std::uint64_t most = is_after   ? std::uint64_t{1} << 62
                               : is_limit ? store::kOutcomesPageMax
                                          : kOutcomesWaitMaxS;
    const auto number = outcome_number(value, is_limit ? 1 : 0, most);
    if (!number) {
      return "`" + name + "` must be an integer from " + (is_limit ? "1" : "0") + " to " +
             std::to_string(most);
    }
    (is_after ? query.after : is_limit ? query.limit : query.wait_s) = *number;
  }
  return std::nullopt;
}

std::string_view row_kind_name(RowKind kind) {
  switch (kind) {
    case RowKind::kTokenRemoved:
      return "token_removed";
    case RowKind::kFailed:
      return "failed";
    case RowKind::kCompleted:
      return "completed";
    case RowKind::kCancelled:
      break;
  }
  return "cancelled";
}

OutcomeJson row_json(const store::OutcomeRow& row) {
  OutcomeJson out{{"number", row.number},
                  {"kind", row_kind_name(row.kind)},
                  {"at", rfc3339(row.at_ms)},
                  {"app", row.app}};
  if (row.event) out["event"] = fanout::to_string(*row.event);
  if (row.platform) out["provider"] = platform_name(*row.platform);
  if (row.kind == RowKind::kTokenRemoved) {
    out["device"] = row.device;
    if (!row.subscriber.empty()) out["subscriber"] = row.subscriber;
    out["reason"] = row.reason;
    out["dead_since"] = rfc3339(row.dead_since_ms);
  }
  if (row.kind == RowKind::kFailed) {
    out["device"] = row.device.empty() ? OutcomeJson(nullptr) : OutcomeJson(row.device);
    out["outcome"] = outcome_name(row.outcome);
    out["reason"] = row.reason;
    out["attempts"] = row.attempts;
  }
  if (row.failures_untold) out["failures_untold"] = *row.failures_untold;
  return out;
}

}  // namespace

void OutcomesResource::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  stopped_.notify_all();
}

bool OutcomesResource::wait_a_moment(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (stopping_ || now >= until || waiting_ >= waiting_max_) return false;
  ++waiting_;
  stopped_.wait_until(lock, std::min(until, now + kOutcomesLook), [this] { return stopping_; });
  --waiting_;
  return !stopping_;
}

Reply OutcomesResource::list(const Admission& admission) {
  OutcomeQuery query;
  if (const auto fault = read_outcome_query(admission.target, query)) {
    return problem_reply(Problem::kInvalidParameter, *fault);
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(query.wait_s);
  for (;;) {
    const auto page = store_.outcomes(query.after, query.limit);
    if (!page) return store_problem(page.error(), Problem::kInternal);
    if (query.after < page->forgotten_through) {
      return problem_reply(Problem::kOutcomesForgotten,
                           "what is there begins after=" + std::to_string(page->forgotten_through));
    }
    if (page->rows.empty() && wait_a_moment(until)) continue;
    OutcomeJson document{{"outcomes", OutcomeJson::array()}, {"next", query.after}};
    for (const store::OutcomeRow& row : page->rows) document["outcomes"].push_back(row_json(row));
    if (!page->rows.empty()) document["next"] = page->rows.back().number;
    Reply reply{.status = 200};
    reply.body = document.dump() + "\n";
    return reply;
  }
}

}  // namespace carillon::api
