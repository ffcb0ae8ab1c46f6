#include "relay/import/importer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "relay/import/registration_form.h"
#include "relay/import/rfc3339.h"
#include "tests/relay/import/memory_store.h"

namespace carillon::import {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

std::string line(std::string_view device, std::string_view topics = "\"a\"") {
  return fmt::format(
      R"({{"device":"{}","app":"video","platform":"fcm","token":"t-{}","subscriber":"u","topics":[{}],"locale":"de"}})"
      "\n",
      device, device, topics);
}

class ImporterTest : public testing::Test {
 protected:
  Importer::Options options(std::size_t batch_lines = 5'000) {
    return {.app = "",
            .known_apps = {"video"},
            .batch_lines = batch_lines,
            .now_ms = [] { return kNow; },
            .on_bad_line =
                [this](const BadLine& bad) {
                  told_.push_back(fmt::format("{}: {}", bad.number, bad.reason));
                }};
  }
  ImportReport import(std::string_view text, std::size_t batch_lines = 5'000) {
    Importer importer(store_, options(batch_lines));
    EXPECT_TRUE(importer.feed(text));
    auto report = importer.finish();
    EXPECT_TRUE(report);
    return report.value_or(ImportReport{});
  }

  MemoryStore store_;
  std::vector<std::string> told_;
};

TEST_F(ImporterTest, TakesADeviceThatWasSeenADayAheadAndNotAMillisecondMore) {
  const auto seen = [](std::string_view device, std::int64_t ms) {
    return fmt::format(
        R"({{"device":"{}","app":"video","platform":"fcm","token":"{}","last_seen":"{}"}})"
        "\n",
        device, device, rfc3339(ms));
  };
  const ImportReport report =
      import(seen("d-1", kNow + kLastSeenAheadMaxMs) + seen("d-2", kNow + kLastSeenAheadMaxMs + 1));
  EXPECT_EQ(report.created, 1U);
  EXPECT_EQ(told_, std::vector<std::string>{
                       "2: last_seen: lies more than a day ahead of this machine's clock"});
}

TEST_F(ImporterTest, BringsWholeLinesToTheStore) {
  const ImportReport report = import(line("d-1", R"("a","b")") + line("d-2", ""));
  EXPECT_EQ(report.lines, 2U);
  EXPECT_EQ(report.created, 2U);
  EXPECT_EQ(report.bad, 0U);
  const store::DeviceRecord& device = store_.devices.at({"video", "d-1"});
  EXPECT_EQ(device.platform, store::Platform::kFcm);
  EXPECT_EQ(device.token, "t-d-1");
  EXPECT_EQ(device.subscriber, "u");
  EXPECT_EQ(device.locale, "de");
  EXPECT_EQ(device.topics, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(device.registered_ms, kNow);
  EXPECT_TRUE(store_.devices.at({"video", "d-2"}).topics.empty());
}

TEST_F(ImporterTest, TakesItsBytesCutAtEveryPlace) {
  const std::string text = line("d-1", R"("a","ü")") + "nonsense\r\n\n  \r\n" + line("d-2") +
                           R"({"device":"d-3","app":"video","platform":"apns","token":"abcd"})";
  const auto expect_the_same = [&](auto feed, const std::string& how) {
    store_ = MemoryStore();
    told_.clear();
    Importer importer(store_, options(2));
    feed(importer);
    const auto report = importer.finish();
    ASSERT_TRUE(report) << how;
    EXPECT_EQ(report->lines, 4U) << how;
    EXPECT_EQ(report->created, 2U) << how;
    ASSERT_EQ(told_.size(), 2U) << how;
    EXPECT_EQ(told_[0].substr(0, 10), "1: topics[") << how;
    EXPECT_EQ(told_[1].substr(0, 8), "2: line:") << how;
    EXPECT_TRUE(store_.devices.contains({"video", "d-2"})) << how;
    EXPECT_TRUE(store_.devices.contains({"video", "d-3"})) << how;
  };
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    expect_the_same(
        [&](Importer& importer) {
          EXPECT_TRUE(importer.feed(std::string_view(text).substr(0, cut)));
          EXPECT_TRUE(importer.feed(std::string_view(text).substr(cut)));
        },
        fmt::format("cut at byte {}", cut));
  }
  expect_the_same(
      [&](Importer& importer) {
        for (const char& byte : text) EXPECT_TRUE(importer.feed({&byte, 1}));
      },
      "byte by byte");
}

TEST_F(ImporterTest, TheLastLineMayLackItsNewline) {
  std::string text = line("d-1");
  text.pop_back();
  EXPECT_EQ(import(text).created, 1U);
  EXPECT_EQ(import("").lines, 0U);
  EXPECT_EQ(import("\n\n").lines, 0U);
}

TEST_F(ImporterTest, KeepsTheGoodLinesAndNumbersTheBadOnes) {
  store_.refused_device = "d-unwanted";
  const ImportReport report =
      import(line("d-1") + "{\n\n" + line("d-unwanted") + line("d-2") + "[]\n" + line("d-3"), 2);
  EXPECT_EQ(report.lines, 6U);
  EXPECT_EQ(report.created, 3U);
  EXPECT_EQ(report.bad, 3U);
  EXPECT_EQ(report.lines, report.created + report.updated + report.unchanged + report.bad);
  ASSERT_EQ(report.bad_lines.size(), 3U);
  EXPECT_EQ(report.bad_lines[0].number, 2U);
  EXPECT_EQ(report.bad_lines[1].number, 4U);  // the empty line is counted, the store's refusal told
  EXPECT_EQ(report.bad_lines[1].reason, "device: the store does not want it");
  EXPECT_EQ(report.bad_lines[2].number, 6U);
  EXPECT_EQ(told_.size(), 3U);
}

TEST_F(ImporterTest, TellsBadLinesInTheirOrderWhoeverFindsThem) {
  store_.refused_device = "d-unwanted";
  import("{\n" + line("d-unwanted") + "{\n" + line("d-1") + "{\n" + line("d-unwanted") + "{\n");
  std::vector<std::string> numbers;
  for (const std::string& told : told_) numbers.push_back(told.substr(0, 1));
  EXPECT_EQ(numbers, (std::vector<std::string>{"1", "2", "3", "5", "6", "7"}));
}

TEST_F(ImporterTest, WritesInBatchesOfSoManyLinesBadOnesIncluded) {
  const ImportReport report = import(line("1") + line("2") + "x\n" + line("3") + line("4"), 3);
  EXPECT_EQ(report.created, 4U);
  EXPECT_EQ(store_.batches, (std::vector<std::size_t>{2, 2}));
}

TEST_F(ImporterTest, SaysWhatWasUpdatedAndWhatWasThereAlready) {
  import(line("1") + line("2"));
  const ImportReport report = import(line("1") + line("2", R"("other")") + line("3"));
  EXPECT_EQ(report.unchanged, 1U);
  EXPECT_EQ(report.updated, 1U);
  EXPECT_EQ(report.created, 1U);
}

TEST_F(ImporterTest, ALineMayBeAsLongAsTheLimitAndNotOneByteLonger) {
  std::string longest = line("d-1");
  longest.pop_back();
  longest.append(kLineBytesMax - longest.size(), ' ');
  EXPECT_EQ(import(longest + "\n").created, 1U);
  const ImportReport report = import(longest + " \n" + line("d-2") + longest + " ");
  EXPECT_EQ(report.created, 1U);
  ASSERT_EQ(report.bad_lines.size(), 2U);
  EXPECT_EQ(report.bad_lines[0].reason, "line: is longer than 65536 bytes");
  EXPECT_EQ(report.bad_lines[1].number, 3U);
}

TEST_F(ImporterTest, LongLinesEndABatchBeforeItsMemoryGrows) {
  std::string topics;
  while (topics.size() < kLineBytesMax / 2) topics += fmt::format("\"{:0>100}\",", topics.size());
  topics.pop_back();
  std::string text;
  for (int i = 0; i < 800; ++i) text += line(std::to_string(i), topics);
  ASSERT_GT(text.size(), kBatchBytesMax);
  EXPECT_EQ(import(text, 100'000).created, 800U);
  EXPECT_GT(store_.batches.size(), 1U);
  EXPECT_EQ(store_.devices.at({"video", "799"}).topics.size(),
            store_.devices.at({"video", "0"}).topics.size());
}

TEST_F(ImporterTest, KeepsTheFirstBadLinesAndCountsTheRest) {
  std::string text;
  for (std::size_t i = 0; i < kBadLinesKept + 5; ++i) text += "{\n";
  const ImportReport report = import(text);
  EXPECT_EQ(report.bad, kBadLinesKept + 5);
  EXPECT_EQ(report.bad_lines.size(), kBadLinesKept);
  EXPECT_EQ(told_.size(), kBadLinesKept + 5);
}

TEST_F(ImporterTest, AFullStoreEndsItWithWhatWasWrittenBefore) {
  int batch = 0;
  store_.refuse_batch = [&batch]() -> std::optional<store::Error> {
    if (++batch < 3) return std::nullopt;
    return store::Error{.kind = store::Error::Kind::kFull, .message = "the disk is full"};
  };
  Importer importer(store_, options(1));
  store::Result<void> fed;
  for (int i = 0; i < 10 && fed; ++i) fed = importer.feed(line(std::to_string(i)));
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().kind, store::Error::Kind::kFull);
  EXPECT_EQ(batch, 3) << "nothing may be written after the batch that failed";
  EXPECT_EQ(importer.so_far().lines, 2U);
  EXPECT_FALSE(importer.feed(line("later")));
  const auto report = importer.finish();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message, "the disk is full");
  EXPECT_EQ(store_.devices.size(), 2U);
}

TEST_F(ImporterTest, WaitsForAnotherProcessAsLongAsItIsTold) {
  int refusals = 3;
  store_.refuse_batch = [&refusals]() -> std::optional<store::Error> {
    if (refusals-- <= 0) return std::nullopt;
    return store::Error{.kind = store::Error::Kind::kBusy, .message = "held by another process"};
  };
  Importer::Options patient = options();
  std::vector<unsigned> attempts;
  patient.retry_busy = [&attempts](unsigned attempt) {
    attempts.push_back(attempt);
    return attempt < 4;
  };
  {
    Importer importer(store_, patient);
    ASSERT_TRUE(importer.feed(line("1")));
    ASSERT_TRUE(importer.finish());
  }
  EXPECT_EQ(attempts, (std::vector<unsigned>{1, 2, 3}));
  EXPECT_EQ(store_.devices.size(), 1U);

  refusals = 100;
  Importer importer(store_, patient);
  ASSERT_TRUE(importer.feed(line("2")));
  const auto report = importer.finish();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, store::Error::Kind::kBusy);
}

TEST_F(ImporterTest, MayBeDroppedHalfWay) {
  {
    Importer importer(store_, options(1));
    ASSERT_TRUE(importer.feed(line("1") + line("2") + "{\"half"));
  }
  EXPECT_TRUE(store_.devices.contains({"video", "1"}));
}

TEST_F(ImporterTest, BringsAttributesOfManyDevicesToTheirDevices) {
  const auto with = [](int i) {
    return fmt::format(
        R"({{"device":"d-{0}","app":"video","platform":"fcm","token":"t{0}","topics":["a-{0}"],)"
        R"("device_topics":["o-{0}","p"],"app_version":"1.{0}","last_seen":"1970-01-01T00:00:0{0}Z",)"
        R"("attributes":{{"n":{0},"l":["x-{0}","y"],"s":"text {0}","b":true,"m":[]}}}})"
        "\n",
        i);
  };
  const ImportReport report = import(with(1) + line("plain") + with(2) + with(3), 3);
  EXPECT_EQ(report.created, 4U);
  for (int i = 1; i <= 3; ++i) {
    const store::DeviceRecord& device = store_.devices.at({"video", fmt::format("d-{}", i)});
    EXPECT_EQ(device.topics, (std::vector<std::string>{fmt::format("a-{}", i)}));
    EXPECT_EQ(device.device_topics, (std::vector<std::string>{fmt::format("o-{}", i), "p"}));
    EXPECT_EQ(device.app_version, fmt::format("1.{}", i));
    EXPECT_EQ(device.last_seen_ms, i * 1'000);
    EXPECT_EQ(device.attributes, (std::vector<store::Attribute>{
                                     {"n", static_cast<double>(i)},
                                     {"l", std::vector<std::string>{fmt::format("x-{}", i), "y"}},
                                     {"s", fmt::format("text {}", i)},
                                     {"b", true},
                                     {"m", std::vector<std::string>{}}}));
  }
  EXPECT_TRUE(store_.devices.at({"video", "plain"}).attributes.empty());
  EXPECT_EQ(store_.devices.at({"video", "plain"}).topics, (std::vector<std::string>{"a"}));
}

TEST_F(ImporterTest, ReadsCsvHoweverItIsCut) {
  const std::string text =
      "device,app,platform,token,topics,attributes.plan\r\n"
      "d-1,video,fcm,t1,a b,\"pro, or more\"\r\n"
      "\r\n"
      "d-2,video,fcm,t2\r\n"
      "d-3,video,fcm,t3,,\"unended\r\n"
      "d-4,video,apns,aabb,c,";
  for (const std::size_t step : {1U, 7U, 1'000U}) {
    store_.devices.clear();
    told_.clear();
    Importer::Options csv = options();
    csv.format = Format::kCsv;
    Importer importer(store_, csv);
    for (std::size_t at = 0; at < text.size(); at += step) {
      ASSERT_TRUE(importer.feed(std::string_view(text).substr(at, step)));
    }
    const auto report = importer.finish();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->lines, 4U) << "the header is no line";
    EXPECT_EQ(report->created, 2U);
    EXPECT_EQ(told_, (std::vector<std::string>{
                         "4: line: has 4 fields where the header has 6",
                         "5: line: field 6 begins with a quote and does not end with one on this "
                         "line"}));
    EXPECT_EQ(store_.devices.at({"video", "d-1"}).attributes[0].value,
              store::AttributeValue(std::string("pro, or more")));
    EXPECT_EQ(report->next_line, 7U);
  }
}

TEST_F(ImporterTest, AHeaderThatCannotBeReadEndsTheImport) {
  Importer::Options csv = options();
  csv.format = Format::kCsv;
  Importer importer(store_, csv);
  const auto fed = importer.feed("\ndevice,app\nd,video\n");
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().kind, store::Error::Kind::kInvalid);
  EXPECT_EQ(fed.error().message, "line 2: header: the column \"platform\" is missing");
  EXPECT_FALSE(importer.finish());
  EXPECT_TRUE(store_.devices.empty());
}

TEST_F(ImporterTest, ADryRunJudgesEveryLineAndStoresNothing) {
  Importer importer(options(2));
  ASSERT_TRUE(importer.feed(line("1") + "{\n" + line("2") + line("3") + "\n" + line("4")));
  const auto report = importer.finish();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->lines, 5U);
  EXPECT_EQ(report->checked, 4U);
  EXPECT_EQ(report->bad, 1U);
  EXPECT_EQ(report->created, 0U);
  EXPECT_EQ(report->next_line, 7U);
  EXPECT_EQ(told_.size(), 1U);
  EXPECT_TRUE(store_.devices.empty());
}

TEST_F(ImporterTest, GoesOnFromALine) {
  Importer::Options from = options();
  from.first_line = 3;
  Importer importer(store_, from);
  ASSERT_TRUE(importer.feed("{\n" + line("2") + line("3") + "{\n"));
  const auto report = importer.finish();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->lines, 2U);
  EXPECT_EQ(report->created, 1U);
  EXPECT_TRUE(store_.devices.contains({"video", "3"}));
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].substr(0, 3), "4: ") << "lines keep their numbers";
  EXPECT_EQ(report->next_line, 5U);
}

TEST_F(ImporterTest, GoesOnFromALineOfCsvWithTheHeaderOfItsFirst) {
  Importer::Options from = options();
  from.format = Format::kCsv;
  from.first_line = 3;
  Importer importer(store_, from);
  ASSERT_TRUE(importer.feed("device,app,platform,token\n1,video,fcm,a\n2,video,fcm,b\n"));
  const auto report = importer.finish();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->created, 1U);
  EXPECT_TRUE(store_.devices.contains({"video", "2"}));
}

TEST_F(ImporterTest, WhatIsBrokenOffInTheMiddleOfALineGoesOnWithThatLine) {
  const std::string text = line("1") + line("2");
  Importer importer(store_, options());
  ASSERT_TRUE(importer.feed(text.substr(0, text.size() - 1)));
  const auto report = importer.finish(Importer::End::kBrokenOff);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->lines, 1U);
  EXPECT_EQ(report->bad, 0U);
  EXPECT_EQ(report->next_line, 2U);
  EXPECT_FALSE(store_.devices.contains({"video", "2"}));
}

TEST_F(ImporterTest, AfterAFailureTheNextLineIsTheFirstThatIsNotIn) {
  Importer importer(store_, options(2));
  int batches = 0;
  store_.refuse_batch = [&batches]() -> std::optional<store::Error> {
    if (++batches < 3) return std::nullopt;
    return store::Error{.kind = store::Error::Kind::kFull, .message = "the disk is full"};
  };
  std::string text;
  for (int i = 1; i <= 10; ++i) text += line(std::to_string(i));
  (void)importer.feed(text);
  ASSERT_FALSE(importer.finish());
  EXPECT_EQ(importer.so_far().lines, 4U);
  EXPECT_EQ(importer.so_far().next_line, 5U);
}

TEST_F(ImporterTest, AFailureOfTheFirstBatchGoesOnWhereTheImportBegan) {
  Importer::Options from = options();
  from.first_line = 3;
  Importer importer(store_, from);
  store_.refuse_batch = [] {
    return std::optional(
        store::Error{.kind = store::Error::Kind::kFull, .message = "the disk is full"});
  };
  ASSERT_TRUE(importer.feed(line("1") + line("2") + line("3")));
  ASSERT_FALSE(importer.finish());
  EXPECT_EQ(importer.so_far().next_line, 3U);
}

}  // namespace
}  // namespace carillon::import
