#include "relay/api/import_resource.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "relay/api/store_problem.h"
#include "relay/import/importer.h"

namespace carillon::api {
namespace {

using Json = nlohmann::ordered_json;

std::string so_far(const import::ImportReport& report) {
  return "after " + std::to_string(report.lines) + " lines, of which " +
         std::to_string(report.created + report.updated) +
         " were stored; they stay, and the same body may be sent again";
}

Json report_document(const import::ImportReport& report) {
  Json document{{"lines", report.lines},     {"created", report.created},
                {"updated", report.updated}, {"unchanged", report.unchanged},
                {"bad", report.bad},         {"bad_lines", Json::array()}};
  for (const import::BadLine& line : report.bad_lines) {
    document["bad_lines"].push_back({{"line", line.number}, {"reason", line.reason}});
  }
  return document;
}

}  // namespace

Reply import_body(store::Store& store, const fanout::Clocks& clocks, const Admission& admission,
                  BodySource& body) {
  const std::string& app = admission.match.captures[0];
  import::Importer importer(
      store, {.app = app,
              .known_apps = {app},
              .batch_lines = kImportBatchLines,
              .now_ms =
                  [&clocks] {
                    return std::chrono::duration_cast<std::chrono::milliseconds>(
                               clocks.calendar().time_since_epoch())
                        .count();
}
, .on_bad_line = {}
}  // namespace carillon::api
);
while (true) {
  const auto bytes = body.next();
  if (!bytes) return problem_reply(bytes.error(), so_far(importer.so_far()));
  if (bytes->empty()) break;
  if (const auto fed = importer.feed(*bytes); !fed) {
    return store_problem(fed.error(), Problem::kUnknownApp);
  }
}
const auto report = importer.finish();
if (!report) return store_problem(report.error(), Problem::kUnknownApp);
Reply reply{.status = 200};
// A reason may quote a line, which need not be UTF-8.
reply.body = report_document(*report).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
return reply;
}

}  // namespace carillon::api
