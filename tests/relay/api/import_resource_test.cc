#include "relay/api/import_resource.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "relay/coding/compressor.h"
#include "tests/relay/import/memory_store.h"

namespace carillon::api::import_test {
namespace {

using coding::Coding;
using import::Format;
using Json = nlohmann::json;

class CutBody : public BodySource {
 public:
  CutBody(std::string bytes, std::size_t step) : bytes_(std::move(bytes)), step_(step) {}
  CutBody(std::string bytes, std::size_t step, std::optional<Problem> end)
      : CutBody(std::move(bytes), step) {
    end_ = end;
  }
  tl::expected<std::string_view, Problem> next() override {
    const auto piece = std::string_view(bytes_).substr(at_, step_);
    if (piece.empty() && end_) return tl::unexpected(*end_);
    at_ += piece.size();
    return piece;
  }

 private:
  std::string bytes_;
  std::size_t step_;
  std::size_t at_ = 0;
  std::optional<Problem> end_;  // in place of a complete body
};

constexpr std::string_view kLines =
    "{\"device\":\"1\",\"platform\":\"fcm\",\"token\":\"t\"}\n"
    "{\n"
    "{\"device\":\"2\",\"platform\":\"fcm\",\"token\":\"u\"}\n";
constexpr std::string_view kCsv =
    "device,platform,token,attributes.age\n1,fcm,t,18\n2,fcm\n3,apns,aabb,\n";

std::string packed(Coding coding, std::string_view data) {
  coding::Compressor compressor(coding);
  std::string out;
  compressor.add(data, out);
  compressor.finish(out);
  return out;
}

class ImportResourceTest : public testing::Test {
 protected:
  Reply import(const ImportBody& said, std::string body, std::size_t step = 1'000) {
    CutBody source(std::move(body), step);
    return import_body(store_, clocks_, {}, admission_, said, source);
  }
  Reply import_until(Problem problem, const ImportBody& said, std::string body) {
    CutBody source(std::move(body), 1'000, problem);
    return import_body(store_, clocks_, {}, admission_, said, source);
  }
  Reply import_from(const std::string& line, const ImportBody& said, std::string body) {
    admission_.target.query = {{"from_line", line}};
    Reply reply = import(said, std::move(body));
    admission_.target.query.clear();
    return reply;
  }
  std::size_t registrations() const {
    return std::accumulate(store_.batches.begin(), store_.batches.end(), std::size_t{0});
  }

  import::MemoryStore store_;
  fanout::Clocks clocks_ = fanout::Clocks::system();
  Admission admission_{.match = {.captures = {"video"}}};
};

TEST_F(ImportResourceTest, TakesBothFormatsInEveryCoding) {
  for (const Coding coding : {Coding::kNone, Coding::kGzip, Coding::kZstd}) {
    for (const std::size_t step : {1U, 1'000U}) {
      store_.devices.clear();
      const Reply lines = import({.coding = coding}, packed(coding, kLines), step);
      EXPECT_EQ(lines.status, 200) << lines.body;
      EXPECT_EQ(Json::parse(lines.body)["created"], 2);
      EXPECT_EQ(Json::parse(lines.body)["bad"], 1);
      store_.devices.clear();
      const Reply csv =
          import({.format = Format::kCsv, .coding = coding}, packed(coding, kCsv), step);
      EXPECT_EQ(csv.status, 200) << csv.body;
      EXPECT_EQ(Json::parse(csv.body)["created"], 2);
      EXPECT_EQ(
          Json::parse(csv.body)["bad_lines"],
          (Json::array({{{"line", 3}, {"reason", "line: has 2 fields where the header has 4"}}})));
    }
  }
}

TEST_F(ImportResourceTest, ACompressedBodyHoldsNoMoreThanTheLimit) {
  for (const Coding coding : {Coding::kGzip, Coding::kZstd}) {
    const std::string body = packed(coding, kLines);
    EXPECT_EQ(import({.coding = coding, .data_bytes_max = kLines.size()}, body).status, 200);
    const Reply beyond = import({.coding = coding, .data_bytes_max = kLines.size() - 1}, body);
    EXPECT_EQ(beyond.status, 413) << beyond.body;
  }
}

TEST_F(ImportResourceTest, ABodyThatIsNotWhatItSaysIsABadRequest) {
  for (const Coding coding : {Coding::kGzip, Coding::kZstd}) {
    EXPECT_EQ(import({.coding = coding}, std::string(kLines)).status, 400);
    const std::string body = packed(coding, kLines);
    const Reply cut = import({.coding = coding}, body.substr(0, body.size() - 1));
    EXPECT_EQ(cut.status, 400) << cut.body;
  }
}

TEST_F(ImportResourceTest, ACsvHeaderThatCannotBeReadIsABadRequest) {
  const Reply reply = import({.format = Format::kCsv}, "device,colour\n1,red\n");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(Json::parse(reply.body)["errors"][0]["detail"],
            "line 1: header: \"colour\" is not a known column");
}

TEST_F(ImportResourceTest, ADryRunStoresNothing) {
  admission_.target.query = {{"dry_run", "1"}};
  const Reply reply = import({}, std::string(kLines));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(Json::parse(reply.body)["checked"], 2);
  EXPECT_EQ(Json::parse(reply.body)["bad"], 1);
  EXPECT_TRUE(store_.devices.empty());
  admission_.target.query = {{"dry_run", "yes"}};
  EXPECT_EQ(import({}, std::string(kLines)).status, 400);
}

// Devices 1 to `count`, one a line.
std::string devices_to(std::size_t count) {
  std::string out;
  for (std::size_t i = 1; i <= count; ++i) {
    const std::string number = std::to_string(i);
    out += "{\"device\":\"" + number + "\",\"platform\":\"fcm\",\"token\":\"" + number + "\"}\n";
  }
  return out;
}

// More than two batches, so that one is full, one is being written and one is filling.
constexpr std::size_t kManyLines = 2 * kImportBatchLines + 500;

TEST_F(ImportResourceTest, TellsTheNextLine) {
  EXPECT_EQ(Json::parse(import({}, std::string(kLines)).body)["next_line"], 4);
  EXPECT_EQ(Json::parse(import({.format = Format::kCsv}, std::string(kCsv)).body)["next_line"], 5);
  EXPECT_EQ(Json::parse(import({}, "").body)["next_line"], 1);
}

TEST_F(ImportResourceTest, ABodyThatBreaksOffGoesOnFromItsNextLine) {
  const std::string whole = devices_to(kManyLines);
  for (const Problem problem :
       {Problem::kRequestTimeout, Problem::kMalformedRequest, Problem::kBodyTooLarge}) {
    store_.devices.clear();
    store_.batches.clear();
    // In the middle of the last line.
    const Reply broken = import_until(problem, {}, whole.substr(0, whole.size() - 5));
    EXPECT_EQ(broken.status, row_of(problem).status);
    EXPECT_EQ(store_.devices.size(), kManyLines - 1) << "what was handed over is stored";
    const Json document = Json::parse(broken.body);
    EXPECT_EQ(document["next_line"], kManyLines);
    EXPECT_EQ(document["detail"],
              "after 4499 lines, of which 4499 were stored and stay; " +
                  std::string(problem == Problem::kBodyTooLarge
                                  ? "send the rest, from line 4500 on, as another body"
                                  : "go on with from_line=4500"));
    const Reply rest = import_from("4500", {}, whole);
    EXPECT_EQ(rest.status, 200) << rest.body;
    EXPECT_EQ(Json::parse(rest.body)["lines"], 1);
    EXPECT_EQ(Json::parse(rest.body)["next_line"], kManyLines + 1);
    EXPECT_EQ(store_.devices.size(), kManyLines);
    EXPECT_EQ(registrations(), kManyLines) << "none twice";
  }
}

TEST_F(ImportResourceTest, ACompressedBodyThatIsCutOffGoesOnFromItsNextLine) {
  const std::string whole = devices_to(kManyLines);
  for (const Coding coding : {Coding::kGzip, Coding::kZstd}) {
    store_.devices.clear();
    store_.batches.clear();
    const std::string body = packed(coding, whole);
    const Reply broken = import({.coding = coding}, body.substr(0, body.size() - 100));
    EXPECT_EQ(broken.status, 400);
    const std::uint64_t next = Json::parse(broken.body)["next_line"];
    EXPECT_EQ(store_.devices.size(), next - 1);
    const Reply rest = import_from(std::to_string(next), {.coding = coding}, body);
    EXPECT_EQ(rest.status, 200) << rest.body;
    EXPECT_EQ(store_.devices.size(), kManyLines);
    EXPECT_EQ(registrations(), kManyLines) << "none twice";
  }
}

TEST_F(ImportResourceTest, AfterTheStoreFailedItGoesOnFromTheFirstLineThatIsNotIn) {
  const std::string whole = devices_to(kManyLines);
  using Kind = store::Error::Kind;
  struct Case {
    Kind kind;
    std::size_t good_batches;
    int status;
  };
  // The first batch fails while lines come, the third when they have all come.
  for (const Case& one :
       {Case{Kind::kFull, 2, 507}, Case{Kind::kIo, 2, 503}, Case{Kind::kIo, 0, 503}}) {
    store_.devices.clear();
    store_.batches.clear();
    store_.refuse_batch = [this, &one]() -> std::optional<store::Error> {
      if (store_.batches.size() < one.good_batches) return std::nullopt;
      return store::Error{.kind = one.kind, .message = "/disk: no"};
    };
    const Reply failed = import({}, whole);
    EXPECT_EQ(failed.status, one.status);
    EXPECT_EQ(failed.body.find("/disk"), std::string::npos) << "the store's words are for the log";
    const std::size_t next = one.good_batches * kImportBatchLines + 1;
    EXPECT_EQ(Json::parse(failed.body)["next_line"], next);
    store_.refuse_batch = nullptr;
    EXPECT_EQ(import_from(std::to_string(next), {}, whole).status, 200);
    EXPECT_EQ(store_.devices.size(), kManyLines);
    EXPECT_EQ(registrations(), kManyLines) << "none twice";
  }
}

TEST_F(ImportResourceTest, ACsvGoesOnWithTheHeaderOfItsFirstLine) {
  const Reply reply = import_from("3", {.format = Format::kCsv}, std::string(kCsv));
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(Json::parse(reply.body)["lines"], 2);
  EXPECT_EQ(Json::parse(reply.body)["bad_lines"][0]["line"], 3) << "lines keep their numbers";
  EXPECT_EQ(store_.devices.size(), 1U);
}

TEST_F(ImportResourceTest, NeverGoesOnBeforeTheLineThatItWasToBeginWith) {
  const std::string most = std::to_string(std::numeric_limits<std::uint64_t>::max());
  for (const std::string& line : {std::string("4"), most}) {
    const Reply past = import_from(line, {}, std::string(kLines));
    EXPECT_EQ(past.status, 200);
    EXPECT_EQ(Json::parse(past.body)["lines"], 0);
    EXPECT_EQ(Json::parse(past.body)["next_line"].dump(), line);
  }
  admission_.target.query = {{"from_line", "3"}};
  const Reply broken = import_until(Problem::kRequestTimeout, {}, "{\n");
  EXPECT_EQ(Json::parse(broken.body)["next_line"], 3);
  EXPECT_TRUE(store_.devices.empty());
}

TEST_F(ImportResourceTest, BeginsWithALineFromOneOn) {
  EXPECT_EQ(Json::parse(import_from("1", {}, std::string(kLines)).body)["lines"], 3);
  EXPECT_EQ(Json::parse(import_from("3", {}, std::string(kLines)).body)["lines"], 1);
  store_.devices.clear();
  for (const char* const line : {"0", "", "-1", "+1", "1x", "one", "1.0", "18446744073709551616"}) {
    const Reply reply = import_from(line, {}, std::string(kLines));
    EXPECT_EQ(reply.status, 400) << line;
    EXPECT_EQ(Json::parse(reply.body)["detail"], "`from_line` must be an integer from 1 on");
  }
  EXPECT_TRUE(store_.devices.empty());
}

TEST_F(ImportResourceTest, ADryRunGoesOnFromALineToo) {
  admission_.target.query = {{"dry_run", "1"}, {"from_line", "2"}};
  const Json report = Json::parse(import({}, std::string(kLines)).body);
  EXPECT_EQ(report["checked"], 1);
  EXPECT_EQ(report["bad"], 1);
  EXPECT_EQ(report["next_line"], 4);
}

TEST(ImportFormat, IsNamedByTheMediaType) {
  EXPECT_EQ(import_format("text/csv"), Format::kCsv);
  EXPECT_EQ(import_format("application/x-ndjson"), Format::kNdjson);
  EXPECT_EQ(import_format("application/json"), std::nullopt);
}

}  // namespace
}  // namespace carillon::api::import_test
