#include "relay/api/export_resource.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "relay/api/store_problem.h"
#include "relay/import/json_number.h"

namespace carillon::api {
namespace {

std::string_view without_spaces(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// The text before `mark`, which goes with it.
std::string_view cut_at(std::string_view& text, char mark) {
  const std::size_t end = std::min(text.find(mark), text.size());
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return without_spaces(front);
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

// `q=0.5` of the parameters of one member; 1 if there is none.
double weight_of(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view parameter = cut_at(parameters, ';');
    if (!same_name(parameter.substr(0, 2), "q=")) continue;
    return import::parse_json_number(parameter.substr(2)).value_or(0);
  }
  return 1;
}

}  // namespace

coding::Coding accepted_coding(std::string_view accept_encoding) {
  struct Choice {
    coding::Coding coding;
    std::string_view name;
    std::optional<double> weight;
  };
  std::array<Choice, 3> choices{{{coding::Coding::kZstd, "zstd", {}},
                                 {coding::Coding::kGzip, "gzip", {}},
                                 {coding::Coding::kNone, "identity", {}}}};
  std::optional<double> others;
  while (!accept_encoding.empty()) {
    std::string_view member = cut_at(accept_encoding, ',');
    const std::string_view name = cut_at(member, ';');
    const double weight = weight_of(member);
    if (name == "*") others = weight;
    for (Choice& choice : choices) {
      if (same_name(name, choice.name)) choice.weight = weight;
    }
  }
  // Not compressed is what everyone takes who does not rule it out, and what they like least.
  constexpr double kLeast = 1e-9;
  choices[2].weight = choices[2].weight.value_or(kLeast);
  const Choice* best = &choices[2];
  for (auto choice = choices.rbegin(); choice != choices.rend(); ++choice) {
    const double weight = choice->weight.value_or(others.value_or(0));
    if (weight > 0 && weight >= best->weight.value_or(0)) {
      choice->weight = weight;
      best = &*choice;
    }
  }
  return best->coding;
}

Reply export_devices(store::Store& store, Downloads& downloads, const RequestHead& head,
                     const Admission& admission) {
  import::Format format = import::Format::kNdjson;
  for (const auto& [name, value] : admission.target.query) {
    if (name != "format") continue;
    if (value != "ndjson" && value != "csv") {
      return problem_reply(Problem::kInvalidParameter, "`format` must be ndjson or csv");
    }
    if (value == "csv") format = import::Format::kCsv;
  }
  auto place = downloads.reserve();
  if (!place)
    return problem_reply(Problem::kTooManyExports, "try again when one of them has ended");
  const std::string& app = admission.match.captures[0];
  auto devices = store.export_devices(app);
  if (!devices) {
    if (devices.error().kind != store::Error::Kind::kFull) {
      return store_problem(devices.error(), Problem::kUnknownApp);
    }
    spdlog::error("{}", devices.error().message);
    return problem_reply(Problem::kStoreFull,
                         "an export reads a copy of the store, and its disk has no room for one");
  }
  const coding::Coding coding = accepted_coding(head.field("accept-encoding"));
  auto exporter = std::make_shared<exporting::Exporter>(
      *std::move(devices), exporting::Exporter::Options{.format = format, .coding = coding});

  const bool csv = format == import::Format::kCsv;
  Reply reply{
      .status = 200,
      .content_type = csv ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson"};
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.headers.emplace_back("Vary", "Accept-Encoding");
  // An app's name has no character that would need quoting.
  reply.headers.emplace_back("Content-Disposition",
                             "attachment; filename=\"" + app + (csv ? ".csv\"" : ".ndjson\""));
  if (coding != coding::Coding::kNone) {
    reply.headers.emplace_back("Content-Encoding", std::string(coding::coding_name(coding)));
  }
  const auto framing = head.http_1_1 ? Downloads::Framing::kChunked : Downloads::Framing::kClose;
  if (head.http_1_1) reply.headers.emplace_back("Transfer-Encoding", "chunked");
  reply.take_over = [&downloads, place = std::move(place), exporter = std::move(exporter),
                     framing](int socket) { downloads.add(place, socket, exporter, framing); };
  return reply;
}

}  // namespace carillon::api
