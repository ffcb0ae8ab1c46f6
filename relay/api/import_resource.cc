#include "relay/api/import_resource.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "relay/api/store_problem.h"
#include "relay/coding/decompressor.h"

namespace carillon::api {
namespace {

using Json = nlohmann::ordered_json;

std::string so_far(const import::ImportReport& report) {
  return "after " + std::to_string(report.lines) + " lines, of which " +
         std::to_string(report.created + report.updated) +
         " were stored; they stay, and the same body may be sent again";
}

Json report_document(const import::ImportReport& report, bool dry_run) {
  Json document{{"lines", report.lines},
                {"created", report.created},
                {"updated", report.updated},
                {"unchanged", report.unchanged}};
  if (dry_run) document["checked"] = report.checked;
  document["bad"] = report.bad;
  document["bad_lines"] = Json::array();
  for (const import::BadLine& line : report.bad_lines) {
    document["bad_lines"].push_back({{"line", line.number}, {"reason", line.reason}});
  }
  return document;
}

Reply import_failure(const store::Error& error) {
  // Of an import as a whole the store never says kInvalid: it is the CSV header.
  if (error.kind == store::Error::Kind::kInvalid) {
    return problem_reply(Problem::kInvalidBody, "", {{"", error.message}});
  }
  return store_problem(error, Problem::kUnknownApp);
}

Reply coding_problem(coding::CodingFault fault, const ImportBody& said,
                     const import::ImportReport& report) {
  const std::string name(coding::coding_name(said.coding));
  if (fault == coding::CodingFault::kTooLarge) {
    return problem_reply(Problem::kBodyTooLarge,
                         "a " + name + " body may hold " + std::to_string(said.data_bytes_max) +
                             " bytes, with windows of 8 MiB; this one is refused " +
                             so_far(report));
  }
  return problem_reply(Problem::kInvalidBody, so_far(report),
                       {{"", "is not " + name + ", is damaged or ends too soon"}});
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

  // Nothing: all is well.
  std::optional<Reply> read(BodySource& body) {
    while (true) {
      const auto bytes = body.next();
      if (!bytes) return problem_reply(bytes.error(), so_far(importer_.so_far()));
      if (bytes->empty()) break;
      if (auto problem = take(*bytes)) return problem;
    }
    const auto rest = decompressor_.finish();
    if (!rest) return coding_problem(rest.error(), said_, importer_.so_far());
    return std::nullopt;
  }

 private:
  std::optional<Reply> take(std::string_view bytes) {
    while (true) {
      const auto data = decompressor_.next(bytes);
      if (!data) return coding_problem(data.error(), said_, importer_.so_far());
      if (data->empty()) return std::nullopt;
      if (const auto fed = importer_.feed(*data); !fed) return import_failure(fed.error());
    }
  }

  import::Importer& importer_;
  const ImportBody& said_;
  coding::Decompressor decompressor_;
};

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
  bool dry_run = false;
  for (const auto& [name, value] : admission.target.query) {
    if (name != "dry_run") continue;
    if (value != "0" && value != "1") {
      return problem_reply(Problem::kInvalidParameter, "`dry_run` must be 0 or 1");
    }
    dry_run = value == "1";
  }
  const std::string& app = admission.match.captures[0];
  import::Importer::Options options;
  options.format = said.format;
  options.app = app;
  options.known_apps = {app};
  options.push_origins = push_origins;
  options.batch_lines = kImportBatchLines;
  options.now_ms = [&clocks] {
    const auto since_1970 = clocks.calendar().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
  };
  import::Importer importer =
      dry_run ? import::Importer(std::move(options)) : import::Importer(store, std::move(options));
  if (auto problem = ImportStream(importer, said).read(body)) return std::move(*problem);
  const auto report = importer.finish();
  if (!report) return import_failure(report.error());
  Reply reply{.status = 200};
  // A reason may quote a line, which need not be UTF-8.
  reply.body =
      report_document(*report, dry_run).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return reply;
}

}  // namespace carillon::api
