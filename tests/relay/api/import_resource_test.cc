#include "relay/api/import_resource.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
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
  tl::expected<std::string_view, Problem> next() override {
    const auto piece = std::string_view(bytes_).substr(at_, step_);
    at_ += piece.size();
    return piece;
  }

 private:
  std::string bytes_;
  std::size_t step_;
  std::size_t at_ = 0;
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

TEST(ImportFormat, IsNamedByTheMediaType) {
  EXPECT_EQ(import_format("text/csv"), Format::kCsv);
  EXPECT_EQ(import_format("application/x-ndjson"), Format::kNdjson);
  EXPECT_EQ(import_format("application/json"), std::nullopt);
}

}  // namespace
}  // namespace carillon::api::import_test
