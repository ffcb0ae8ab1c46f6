#include "relay/coding/coding.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <random>
#include <string>
#include <string_view>

#include "relay/coding/compressor.h"
#include "relay/coding/decompressor.h"

namespace carillon::coding::coding_test {
namespace {

std::string lines(std::size_t bytes, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::string text;
  while (text.size() < bytes) text += "{\"device\":\"" + std::to_string(random()) + "\"}\n";
  text.resize(bytes);
  return text;
}

std::string compressed(Coding coding, std::string_view data, std::size_t step = 10'000) {
  Compressor compressor(coding);
  std::string out;
  for (; !data.empty(); data.remove_prefix(std::min(step, data.size()))) {
    compressor.add(data.substr(0, step), out);
  }
  compressor.finish(out);
  return out;
}

tl::expected<std::string, CodingFault> decompressed(std::string_view bytes,
                                                    Decompressor::Options options = {},
                                                    std::size_t step = 1'000'000) {
  Decompressor decompressor(options);
  std::string out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    std::string_view input = bytes.substr(0, step);
    while (true) {
      const auto piece = decompressor.next(input);
      if (!piece) return tl::unexpected(piece.error());
      if (piece->empty()) break;
      out += *piece;
    }
    EXPECT_TRUE(input.empty());
  }
  const auto rest = decompressor.finish();
  if (!rest) return tl::unexpected(rest.error());
  return out + std::string(*rest);
}

class EveryCoding : public testing::TestWithParam<Coding> {};
INSTANTIATE_TEST_SUITE_P(Coding, EveryCoding,
                         testing::Values(Coding::kNone, Coding::kGzip, Coding::kZstd),
                         [](const auto& coding) { return std::string(coding_name(coding.param)); });

TEST_P(EveryCoding, GivesBackWhatWasPutInHoweverItIsCut) {
  for (const std::size_t bytes : {0UL, 1UL, 3UL, 4UL, 5UL, 1'000UL, 700'000UL}) {
    const std::string data = lines(bytes);
    const std::string packed = compressed(GetParam(), data);
    for (const std::size_t step : {1UL, 3UL, 4'096UL, 1'000'000UL}) {
      if (step == 1 && bytes > 100'000) continue;
      const auto unpacked = decompressed(packed, {}, step);
      ASSERT_TRUE(unpacked) << bytes << " bytes by " << step;
      ASSERT_TRUE(*unpacked == data) << bytes << " bytes by " << step;
    }
  }
}

TEST_P(EveryCoding, IsKnownByItsFirstBytes) {
  const std::string packed = compressed(GetParam(), lines(1'000));
  EXPECT_EQ(coding_of_bytes(packed), GetParam());
  EXPECT_EQ(coding_of_bytes(std::string_view(packed).substr(0, kMagicBytes)), GetParam());
}

TEST_P(EveryCoding, MayFollowItself) {
  const std::string first = lines(50'000), second = lines(70'000, 2);
  const auto both = decompressed(compressed(GetParam(), first) + compressed(GetParam(), second));
  ASSERT_TRUE(both);
  EXPECT_TRUE(*both == first + second);
}

TEST_P(EveryCoding, StopsOneByteBeyondTheLimitOfTheData) {
  const std::string packed = compressed(GetParam(), lines(300'000));
  const auto within = decompressed(packed, {.data_bytes_max = 300'000});
  ASSERT_TRUE(within);
  EXPECT_EQ(within->size(), 300'000U);
  const auto beyond = decompressed(packed, {.data_bytes_max = 299'999});
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error(), CodingFault::kTooLarge);
}

class Compressing : public testing::TestWithParam<Coding> {};
INSTANTIATE_TEST_SUITE_P(Coding, Compressing, testing::Values(Coding::kGzip, Coding::kZstd),
                         [](const auto& coding) { return std::string(coding_name(coding.param)); });

TEST_P(Compressing, MakesItSmaller) {
  const std::string data = lines(300'000);
  EXPECT_LT(compressed(GetParam(), data).size(), data.size() * 2 / 3);
}

TEST_P(Compressing, DataThatIsCutOffIsMalformedAtEveryByte) {
  const std::string packed = compressed(GetParam(), lines(300));
  for (std::size_t bytes = 1; bytes < packed.size(); ++bytes) {
    const auto cut =
        decompressed(std::string_view(packed).substr(0, bytes), {.coding = GetParam()});
    ASSERT_FALSE(cut) << bytes;
    EXPECT_EQ(cut.error(), CodingFault::kMalformed);
  }
}

TEST_P(Compressing, DamagedDataIsMalformedOrWhatItWas) {
  const std::string data = lines(2'000);
  const std::string packed = compressed(GetParam(), data);
  for (std::size_t at = 0; at < packed.size(); ++at) {
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const auto read = decompressed(damaged, {.coding = GetParam()});
    // A flag or a time in gzip's header may change without harm; what is read never does.
    if (read) {
      EXPECT_TRUE(*read == data) << "byte " << at;
    }
  }
}

TEST_P(Compressing, WhatFollowsTheEndMustBeOfTheSameCoding) {
  const auto read = decompressed(compressed(GetParam(), lines(300)) + "{}\n");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error(), CodingFault::kMalformed);
}

TEST_P(Compressing, PlainTextIsNotOfThatCoding) {
  const auto read = decompressed("{\"device\":\"d\"}\n", {.coding = GetParam()});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error(), CodingFault::kMalformed);
}

TEST(Coding, AZstdWindowBeyondTheLimitIsRefused) {
  const auto with_window = [](int log) {
    const std::string data = lines(1'000);
    ZSTD_CCtx* const context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, log);
    std::string out(ZSTD_compressBound(data.size()), '\0');
    // Without the size in the frame's header the window is what the reader has to have.
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    ZSTD_inBuffer in{data.data(), data.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    ZSTD_compressStream2(context, &to, &in, ZSTD_e_continue);
    EXPECT_EQ(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end), 0U);
    ZSTD_freeCCtx(context);
    out.resize(to.pos);
    return out;
  };
  const int max = static_cast<int>(kZstdWindowLogMaxHttp);
  EXPECT_TRUE(decompressed(with_window(max), {.zstd_window_log_max = kZstdWindowLogMaxHttp}));
  const auto beyond =
      decompressed(with_window(max + 1), {.zstd_window_log_max = kZstdWindowLogMaxHttp});
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error(), CodingFault::kTooLarge);
  EXPECT_TRUE(decompressed(with_window(max + 1)));
}

TEST(Coding, IsNamedByTheEndingOfAFile) {
  EXPECT_EQ(coding_of_file("a.ndjson.gz"), Coding::kGzip);
  EXPECT_EQ(coding_of_file("a.csv.zst"), Coding::kZstd);
  EXPECT_EQ(coding_of_file("a.csv"), Coding::kNone);
  EXPECT_EQ(coding_of_file("gz"), Coding::kNone);
  EXPECT_EQ(without_coding_ending("a.csv.zst"), "a.csv");
  EXPECT_EQ(without_coding_ending("a.csv"), "a.csv");
}

TEST(Coding, IsNamedAsHttpNamesIt) {
  for (const Coding coding : {Coding::kNone, Coding::kGzip, Coding::kZstd}) {
    EXPECT_EQ(coding_named(coding_name(coding)), coding);
  }
  EXPECT_EQ(coding_named("br"), std::nullopt);
}

}  // namespace
}  // namespace carillon::coding::coding_test
