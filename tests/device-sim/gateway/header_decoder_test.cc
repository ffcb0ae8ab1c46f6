#include "device-sim/gateway/header_decoder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/device-sim/gateway/header_coder.h"

namespace device_sim::header_decoder_test {
namespace {

using Outcome = HeaderDecoder::Outcome;

std::string block_of(std::initializer_list<int> bytes) {
  std::string out;
  for (const int byte : bytes) out.push_back(static_cast<char>(byte));
  return out;
}

Outcome outcome_of(std::string_view block) {
  HeaderDecoder decoder;
  Request request;
  return decoder.decode(block, request);
}

// RFC 7541, appendix C.4: three requests on one connection, each referring to the ones before.
TEST(HeaderDecoder, ReadsTheExamplesOfItsStandard) {
  HeaderDecoder decoder;
  Request request;
  ASSERT_EQ(decoder.decode(block_of({0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2,
                                     0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff}),
                           request),
            Outcome::kDecoded);
  EXPECT_EQ(request.get(Field::kMethod), "GET");
  EXPECT_EQ(request.get(Field::kScheme), "http");
  EXPECT_EQ(request.get(Field::kPath), "/");
  EXPECT_EQ(request.get(Field::kAuthority), "www.example.com");
  request.clear();
  ASSERT_EQ(decoder.decode(
                block_of({0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf}),
                request),
            Outcome::kDecoded);
  EXPECT_EQ(request.get(Field::kAuthority), "www.example.com");
  request.clear();
  ASSERT_EQ(decoder.decode(
                block_of({0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9,
                          0x7d, 0x7f, 0x89, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf}),
                request),
            Outcome::kDecoded);
  EXPECT_EQ(request.get(Field::kScheme), "https");
  EXPECT_EQ(request.get(Field::kPath), "/index.html");
  EXPECT_EQ(request.get(Field::kAuthority), "www.example.com") << "the second newest by now";
}

// Against nghttp2's coder, whose table must be the same at every request: values come back, entries
// are pushed out, and the table changes its size.
TEST(HeaderDecoder, FollowsTheTableOfALongConnection) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    HeaderCoder coder;
    HeaderDecoder decoder;
    Request request;
    const auto text = [&](std::size_t most) {
      std::string made(random() % most, ' ');
      for (char& c : made) c = static_cast<char>('0' + random() % 70);
      return made;
    };
    std::vector<std::string> known;
    for (int i = 0; i < 12; ++i) known.push_back(text(700));
    for (int i = 0; i < 200; ++i) {
      if (random() % 20 == 0) coder.resize(random() % (HeaderDecoder::kTableBytesMax + 1));
      const std::string fresh = text(200), other = text(60), name = "x-" + std::to_string(i % 7);
      const std::string& authorization = known[random() % 2];
      const std::string& topic = known[random() % known.size()];
      const bool is_sensitive = random() % 2 == 0;
      const std::string block = coder.block({{":method", "POST"},
                                             {":path", fresh, is_sensitive},
                                             {"authorization", authorization, is_sensitive},
                                             {name, other},
                                             {"apns-topic", topic},
                                             {"apns-priority", i % 2 == 0 ? "5" : "10"}});
      request.clear();
      ASSERT_EQ(decoder.decode(block, request), Outcome::kDecoded) << "seed " << seed;
      EXPECT_EQ(request.get(Field::kMethod), "POST");
      EXPECT_EQ(request.get(Field::kPath), fresh) << "seed " << seed << ", request " << i;
      EXPECT_EQ(request.get(Field::kAuthorization), authorization) << "seed " << seed;
      EXPECT_EQ(request.get(Field::kApnsTopic), topic) << "seed " << seed << ", request " << i;
      EXPECT_EQ(request.get(Field::kApnsPriority), i % 2 == 0 ? "5" : "10");
    }
  }
}

TEST(HeaderDecoder, TakesNoAuthorizationForTheOneBeforeItThatDiffersInOneLetter) {
  HeaderCoder coder;
  HeaderDecoder decoder;
  for (const char last : {'a', 'b', 'a', 'a', 'c'}) {
    const std::string authorization = "bearer " + std::string(200, 'x') + last;
    Request request;
    ASSERT_EQ(decoder.decode(coder.block({{"authorization", authorization, true}}), request),
              Outcome::kDecoded);
    EXPECT_EQ(request.get(Field::kAuthorization), authorization);
  }
}

TEST(HeaderDecoder, KeepsItsTableRightThroughAHeadThatIsTooLarge) {
  HeaderCoder coder;
  HeaderDecoder decoder;
  Request request;
  EXPECT_EQ(decoder.decode(coder.block({{"apns-topic", "a.b"},
                                        {"x", std::string(kRequestHeadBytesMax, 'x'), true},
                                        {"apns-collapse-id", "c"}}),
                           request),
            Outcome::kTooLarge);
  request.clear();
  EXPECT_EQ(
      decoder.decode(coder.block({{"apns-topic", "a.b"}, {"apns-collapse-id", "c"}}), request),
      Outcome::kDecoded);
  EXPECT_EQ(request.get(Field::kApnsTopic), "a.b");
  EXPECT_EQ(request.get(Field::kApnsCollapseId), "c");
}

TEST(HeaderDecoder, RefusesWhatIsMalformed) {
  EXPECT_EQ(outcome_of(""), Outcome::kDecoded);
  EXPECT_EQ(outcome_of(block_of({0x80})), Outcome::kMalformed) << "index 0";
  EXPECT_EQ(outcome_of(block_of({0xbd})), Outcome::kDecoded) << "61, the last of the static table";
  EXPECT_EQ(outcome_of(block_of({0xbe})), Outcome::kMalformed) << "62, and nothing was kept";
  EXPECT_EQ(outcome_of(block_of({0xff, 0x00})), Outcome::kMalformed) << "127";
  EXPECT_EQ(outcome_of(block_of({0xff})), Outcome::kMalformed) << "an integer that does not end";
  EXPECT_EQ(outcome_of(block_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00})), Outcome::kMalformed);
  EXPECT_EQ(outcome_of(block_of({0x7e, 0x01, 'x'})), Outcome::kMalformed) << "name 62";
  EXPECT_EQ(outcome_of(block_of({0x04})), Outcome::kMalformed) << "a name and no value";
  EXPECT_EQ(outcome_of(block_of({0x04, 0x02, 'x'})), Outcome::kMalformed) << "half a value";
  EXPECT_EQ(outcome_of(block_of({0x04, 0x81, 0x18})), Outcome::kMalformed) << "padding";
  EXPECT_EQ(outcome_of(block_of({0x00, 0x81, 0x18, 0x00})), Outcome::kMalformed) << "of a name";
}

TEST(HeaderDecoder, LetsItsTableBeResizedAtTheBeginningOfABlockOnlyAndUpToItsLimit) {
  EXPECT_EQ(outcome_of(block_of({0x3f, 0xe1, 0x1f, 0x82})), Outcome::kDecoded) << "4,096";
  EXPECT_EQ(outcome_of(block_of({0x3f, 0xe2, 0x1f, 0x82})), Outcome::kMalformed) << "4,097";
  EXPECT_EQ(outcome_of(block_of({0x20, 0x3f, 0xe1, 0x1f, 0x82})), Outcome::kDecoded) << "twice";
  EXPECT_EQ(outcome_of(block_of({0x82, 0x20})), Outcome::kMalformed) << "behind a field";
}

TEST(HeaderDecoder, SurvivesAnything) {
  constexpr unsigned kSeed = 1;
  std::mt19937_64 random(kSeed);
  HeaderDecoder decoder;
  Request request;
  std::size_t decoded = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string block(random() % 24, '\0');
    for (char& c : block) c = static_cast<char>(random());
    request.clear();
    decoded += decoder.decode(block, request) == Outcome::kDecoded;
  }
  EXPECT_GT(decoded, 100u) << "seed " << kSeed;
  EXPECT_LT(decoded, 20'000u);
}

}  // namespace
}  // namespace device_sim::header_decoder_test
