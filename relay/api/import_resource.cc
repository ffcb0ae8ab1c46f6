#include "relay/api/import_resource.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "relay/coding/decompressor.h"

namespace carillon::api {
namespace {

using Json = nlohmann::ordered_json;

Json report_document(const import::ImportReport& report, bool dry_run) {
  Json document{{"lines", report.lines},
                {"created", report.created},
                {"updated", report.updated},
                {"unchanged", report.unchanged}};
  if (dry_run) document["checked"] = report.checked;
  document["bad"] = report.bad;
  document["next_line"] = report.next_line;
  document["bad_lines"] = Json::array();
  for (const import::BadLine& line : report.bad_lines) {
    document["bad_lines"].push_back({{"line", line.number}, {"reason", line.reason}});
  }
  return document;
}

// The answer to a body of which not all was taken.
Reply broken_off(Problem problem, std::string_view why, const import::ImportReport& report,
                 const std::vector<FieldError>& errors = {}) {
  std::string detail(why);
  if (!detail.empty()) detail += "; ";
  detail += fmt::format("after {} lines, of which {} were stored and stay; ", report.lines,
                        report.created + report.updated);
  // Who sends a body again that is too large is refused again.
  detail += problem == Problem::kBodyTooLarge
                ? fmt::format("send the rest, from line {} on, as another body", report.next_line)
                : fmt::format("go on with from_line={}", report.next_line);
  return problem_reply(problem, detail, errors, report.next_line);
}

Reply store_failure(const store::Error& error, const import::ImportReport& report) {
  // Of an import as a whole the store never says kInvalid: it is the CSV header.
  if (error.kind == store::Error::Kind::kInvalid) {
    return problem_reply(Problem::kInvalidBody, "", {{"", error.message}});
  }
  spdlog::error("an import ended early: {}", error.message);
  return error.kind == store::Error::Kind::kFull
             ? broken_off(Problem::kStoreFull, "", report)
             : broken_off(Problem::kStoreUnavailable, "the relay's log says why", report);
}

// Why a body could not be read to its end.
struct Break {
  Problem problem;
  std::string why = {};
  std::vector<FieldError> errors = {};
};

Break coding_break(coding::CodingFault fault, const ImportBody& said) {
  const std::string name(coding::coding_name(said.coding));
  if (fault == coding::CodingFault::kTooLarge) {
    return {.problem = Problem::kBodyTooLarge,
            .why = fmt::format("a {} body may hold {} bytes, with windows of 8 MiB", name,
                               said.data_bytes_max)};
  }
  return {.problem = Problem::kInvalidBody,
          .errors = {{"", "is " + name + ", is damaged or ends too soon"}}};
}

// The lines of a body on their way to the importer.
class ImportStream {
 public:
  ImportStream(import::Importer& importer, const ImportBody& said)
      : importer_(importer),
        said_(said),
        decompressor_({.coding = said.coding,
                       .data_bytes_max = said.data_bytes_max,
                       .zstd_window_log_max = coding::kZstdWindowLogMaxHttp}) {}

  // Nothing: all is well, or the store failed; its error comes again when the importer is finished.
  std::optional<Break> read(BodySource& body) {
    while (true) {
      const auto bytes = body.next();
      if (!bytes) return Break{.problem = bytes.error()};
      if (bytes->empty()) break;
      std::string_view left = *bytes;
      while (true) {
        const auto data = decompressor_.next(left);
        if (!data) return coding_break(data.error(), said_);
        if (data->empty()) break;
        if (!importer_.feed(*data)) return std::nullopt;
      }
    }
    const auto rest = decompressor_.finish();
    if (!rest) return coding_break(rest.error(), said_);
    return std::nullopt;
  }

 private:
  import::Importer& importer_;
  const ImportBody& said_;
  coding::Decompressor decompressor_;
};

struct ImportQuery {
  bool dry_run = false;
  std::uint64_t from_line = 1;
};

// An error is the sentence about what cannot be taken.
tl::expected<ImportQuery, std::string> read_import_query(const Target& target) {
  ImportQuery query;
  for (const auto& [name, value] : target.query) {
    if (name == "dry_run") {
      if (value != "0" && value != "1")
        return tl::unexpected<std::string>("`dry_run` must be 0 or 1");
      query.dry_run = value == "1";
    }
    if (name == "from_line") {
      const char* const end = value.data() + value.size();
      const auto [stop, error] = std::from_chars(value.data(), end, query.from_line);
      if (error != std::errc() || stop != end || query.from_line == 0) {
        return tl::unexpected<std::string>("`from_line` must be an integer from 1 on");
      }
    }
  }
  return query;
}

}  // namespace

std::optional<import::Format> import_format(std::string_view media_type) {
  if (media_type == "text/csv") return import::Format::kCsv;
  if (media_type == "application/x-ndjson" || media_type == "application/ndjson" ||
      media_type == "application/jsonl") {
    return import::Format::kNdjson;
  }
  return std::nullopt;
}

Reply import_body(store::Store& store, const fanout::Clocks& clocks,
                  const import::PushOrigins& push_origins, const Admission& admission,
                  const ImportBody& said, BodySource& body) {
  const auto query = read_import_query(admission.target);
  if (!query) return problem_reply(Problem::kInvalidParameter, query.error());
  const std::string& app = admission.match.captures[0];
  import::Importer::Options options;
  options.format = said.format;
  options.first_line = query->from_line;
  options.app = app;
  options.known_apps = {app};
  options.push_origins = push_origins;
  options.batch_lines = kImportBatchLines;
  options.now_ms = [&clocks] {
    const auto since_1970 = clocks.calendar().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
  };
  import::Importer importer = query->dry_run ? import::Importer(std::move(options))
                                             : import::Importer(store, std::move(options));
  const auto broken = ImportStream(importer, said).read(body);
  // What was handed over is answered before the next line is told.
  using End = import::Importer::End;
  const auto report = importer.finish(broken ? End::kBrokenOff : End::kComplete);
  if (!report) return store_failure(report.error(), importer.so_far());
  if (broken) return broken_off(broken->problem, broken->why, *report, broken->errors);
  Reply reply{.status = 200};
  // A reason may quote a line, which need not be UTF-8.
  reply.body = report_document(*report, query->dry_run)
                   .dump(-1, ' ', false, Json::error_handler_t::replace) +
               "\n";
  return reply;
}

}  // namespace carillon::api
