// A store goes out as bytes and comes back as the same store.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "relay/coding/decompressor.h"
#include "relay/export/exporter.h"
#include "relay/import/importer.h"
#include "storage/sqlite/sqlite_store.h"
#include "tests/temporary_folder.h"

namespace carillon::exporting::round_trip_test {
namespace {

using import::Format;
using store::AttributeView;
using Texts = std::span<const std::string_view>;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kNowMs = 20'500 * kDayMs + 4711;

class RoundTrip : public testing::TestWithParam<Format> {
 protected:
  RoundTrip() {
    store_ = open("first.db");
    populate();
  }
  std::unique_ptr<store::Store> open(const std::string& name) const {
    return store::open_sqlite_store({.path = folder_ / name}).value();
  }

  // Subscribers of one to four devices, anonymous ones, two apps and platforms, attributes of every
  // kind, device topics, odd characters.
  void populate() {
    const std::string_view topics[] = {"zebra", "news", "sports~%", "a.b"},
                           own[] = {"x", "tablets"};
    const std::string_view teams[] = {"fcb", "", "b\"v;b"};
    const AttributeView attributes[] = {{"plan", std::string_view("pro, \"plus\" \\ ü 🔔")},
                                        {"age", 18.25},
                                        {"beta", true},
                                        {"none", Texts()},
                                        {"teams", Texts(teams)},
                                        {"digits", std::string_view("18")},
                                        {"empty", std::string_view("")},
                                        {"zero", -0.0}};
    for (int i = 0; i < 500; ++i) {
      const auto n = static_cast<std::size_t>(i);
      const std::string name = "d-\"" + std::to_string(i) + "\", ü\\";
      const std::string subscriber = i % 5 == 0 ? "" : "u;" + std::to_string(i / 7) + " \"";
      const std::string token = i % 2 ? "fcm:" + std::to_string(i) : std::to_string(100'000 + i);
      const auto put =
          store_->put_device({.app = i % 3 ? "video" : "audio",
                              .device = name,
                              .platform = i % 2 ? store::Platform::kFcm : store::Platform::kApns,
                              .token = token,
                              .subscriber = subscriber,
                              .locale = i % 4 ? "pt-BR" : "",
                              .timezone = i % 3 ? "Europe/Vienna" : "",
                              .topics = std::span(topics).subspan(n % 4, n % 2),
                              .device_topics = std::span(own).first(n % 3),
                              .app_version = i % 6 ? "3.10" : "",
                              .attributes = std::span(attributes).first(n % 9),
                              .last_seen_ms = i % 2 ? 0 : kNowMs - i * kDayMs},
                             kNowMs);
      ASSERT_TRUE(put) << put.error().message;
    }
    ASSERT_TRUE(store_->erase_device("video", "d-\"100\", ü\\"));
  }

  std::string exported(store::Store& store, coding::Coding coding = coding::Coding::kNone) const {
    auto devices = store.export_devices("");
    EXPECT_TRUE(devices) << devices.error().message;
    Exporter exporter(*std::move(devices), {.format = GetParam(), .coding = coding});
    const auto begun = exporter.begin();
    EXPECT_TRUE(begun) << begun.error().message;
    std::string out;
    for (;;) {
      const auto more = exporter.read(out);
      EXPECT_TRUE(more) << more.error().message;
      if (!more || !*more) break;
    }
    EXPECT_EQ(exporter.devices(), 499U);
    return out;
  }

  import::Importer::Options import_options() const { import::Importer::Options options;
  options.format = GetParam();
  options.known_apps = {"video", "audio"};
  options.now_ms = [] { return kNowMs; };
  return options;
} static void import_all(import::Importer importer, std::string_view text) {
  const auto fed = importer.feed(text);
  ASSERT_TRUE(fed) << fed.error().message;
  const auto report = importer.finish();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->created, 499U);
  EXPECT_EQ(report->bad, 0U) << report->bad_lines.front().reason;
}
static std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

const TemporaryFolder folder_;
std::unique_ptr<store::Store> store_;
};  // namespace

TEST_P(RoundTrip, OfAnExportByBatchesIsTheSameByteForByte) {
  const std::string out = exported(*store_);
  const auto second = open("second.db");
  ASSERT_NO_FATAL_FAILURE(import_all(import::Importer(*second, import_options()), out));
  EXPECT_EQ(exported(*second), out);
}

// Which packs subscribers in an order of its own.
TEST_P(RoundTrip, OfAnExportByABulkLoadHasTheSameLines) {
  const std::string out = exported(*store_);
  {
    const auto load = store::open_bulk_load({.path = folder_ / "second.db"});
    ASSERT_TRUE(load && *load);
    ASSERT_NO_FATAL_FAILURE(import_all(import::Importer(**load, import_options()), out));
  }
  const auto second = open("second.db");
  EXPECT_EQ(sorted_lines(exported(*second)), sorted_lines(out));
}

TEST_P(RoundTrip, ToTheSameStoreChangesNothing) {
  const std::string out = exported(*store_);
  import::Importer importer(*store_, import_options());
  ASSERT_TRUE(importer.feed(out));
  const auto report = importer.finish();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->unchanged, 499U);
  EXPECT_EQ(exported(*store_), out);
}

TEST_P(RoundTrip, IsTheSameCompressed) {
  const std::string out = exported(*store_);
  for (const coding::Coding coding : {coding::Coding::kGzip, coding::Coding::kZstd}) {
    const std::string packed = exported(*store_, coding);
    EXPECT_LT(packed.size(), out.size() / 2);
    coding::Decompressor decompressor({.coding = coding});
    std::string unpacked;
    std::string_view left = packed;
    for (;;) {
      const auto piece = decompressor.next(left);
      ASSERT_TRUE(piece);
      if (piece->empty()) break;
      unpacked += *piece;
    }
    EXPECT_TRUE(decompressor.finish()) << "not cut off";
    EXPECT_EQ(unpacked, out);
  }
}

INSTANTIATE_TEST_SUITE_P(, RoundTrip, testing::Values(Format::kNdjson, Format::kCsv),
                         [](const auto& tested) {
                           return tested.param == Format::kCsv ? "Csv" : "Ndjson";
                         });

}  // namespace carillon::exporting::round_trip_test
}  // namespace carillon::exporting::round_trip_test
