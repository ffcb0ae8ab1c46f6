#include "relay/api/request_head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace carillon::api {
namespace {

std::string head(const std::string& fields, const std::string& line = "GET / HTTP/1.1") {
  return line + "\r\nHost: relay\r\n" + fields + "\r\n";
}

TEST(RequestHead, ReadsALineItsFieldsAndItsFraming) {
  const auto parsed = parse_head(
      "POST /v1/events?x=%20 HTTP/1.1\r\nHOST: relay\r\nContent-Length: 12\r\nX-Empty:\r\n"
      "Authorization: \t Bearer k \r\nExpect: 100-Continue\r\n\r\n");
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->method, "POST");
  EXPECT_EQ(parsed->target, "/v1/events?x=%20");
  EXPECT_EQ(parsed->field("authorization"), "Bearer k");
  EXPECT_EQ(parsed->field("x-empty"), "");
  EXPECT_EQ(parsed->content_length, 12u);
  EXPECT_TRUE(parsed->expects_continue);
  EXPECT_TRUE(parsed->keep_alive);
  EXPECT_FALSE(parsed->chunked);
}

TEST(RequestHead, ReadsOverOneEmptyLineBeforeIt) {
  std::size_t scanned = 0;
  const std::string bytes = "\r\n" + head("");
  EXPECT_EQ(find_head_end(bytes, &scanned), HeadEnd::kFound);
  EXPECT_EQ(scanned, bytes.size());
  EXPECT_TRUE(parse_head(bytes));
  EXPECT_FALSE(parse_head("\r\n" + bytes));
}

TEST(RequestHead, LeavesAPercentEncodedLineBreakInAValueAsItIs) {
  const auto parsed = parse_head(head("Idempotency-Key: a%0d%0aX-Injected: 1\r\n"));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->field("idempotency-key"), "a%0d%0aX-Injected: 1");
  EXPECT_EQ(parsed->field("x-injected"), "");
}

TEST(RequestHead, KnowsWhenAConnectionIsToStayOpen) {
  const auto keeps = [](const std::string& bytes) { return parse_head(bytes)->keep_alive; };
  EXPECT_TRUE(keeps(head("")));
  EXPECT_FALSE(keeps(head("Connection: foo, Close\r\n")));
  EXPECT_FALSE(keeps(head("", "GET / HTTP/1.0")));
  EXPECT_TRUE(keeps(head("Connection: keep-alive\r\n", "GET / HTTP/1.0")));
}

struct Refused {
  const char* why;
  std::string bytes;
  Problem problem = Problem::kMalformedRequest;
};

TEST(RequestHead, RefusesWhatCouldMeanTwoThings) {
  const std::vector<Refused> table = {
      {"no head", "\r\n"},
      {"no target", head("", "GET HTTP/1.1")},
      {"no version", head("", "GET /")},
      {"another protocol", head("", "GET / ICAP/1.0")},
      {"another version", head("", "GET / HTTP/2.0"), Problem::kUnsupportedVersion},
      {"a method that is no token", head("", "G@T / HTTP/1.1")},
      {"a method too long", head("", std::string(kMethodBytesMax + 1, 'M') + " / HTTP/1.1")},
      {"a space in the target", head("", "GET /a b HTTP/1.1")},
      {"an absolute target", head("", "GET http://relay/ HTTP/1.1")},
      {"a fragment", head("", "GET /a#b HTTP/1.1")},
      {"a byte beyond ASCII in the target", head("", "GET /\xc3\xa4 HTTP/1.1")},
      {"a folded field", head("X-A: b\r\n c\r\n")},
      {"a folded first field", "GET / HTTP/1.1\r\n Host: relay\r\n\r\n"},
      {"a space before the colon", head("X-A : b\r\n")},
      {"no colon", head("X-A\r\n")},
      {"no name", head(": b\r\n")},
      {"a NUL in a value", head(std::string("X-A: b\0c\r\n", 10))},
      {"a bare CR in a value", head("X-A: b\rc\r\n")},
      {"a bare LF in a value", head("X-A: b\nc\r\n")},
      {"a control character in a value", head("X-A: b\x01\r\n")},
      {"no host", "GET / HTTP/1.1\r\n\r\n"},
      {"two hosts", head("Host: other\r\n")},
      {"two lengths", head("Content-Length: 1\r\nContent-Length: 1\r\n")},
      {"length and coding", head("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")},
      {"a length that is no number", head("Content-Length: 1x\r\n")},
      {"a signed length", head("Content-Length: +1\r\n")},
      {"a list of lengths", head("Content-Length: 1, 1\r\n")},
      {"no length", head("Content-Length:\r\n")},
      {"a length over 64 bits", head("Content-Length: 18446744073709551616\r\n"),
       Problem::kBodyTooLarge},
      {"another coding", head("Transfer-Encoding: gzip, chunked\r\n"),
       Problem::kUnsupportedTransferCoding},
      {"two codings", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
      {"a coding in HTTP/1.0", head("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0")},
      {"two keys", head("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n")},
      {"another expectation", head("Expect: a-miracle\r\n"), Problem::kExpectationFailed},
  };
  for (const Refused& row : table) {
    const auto parsed = parse_head(row.bytes);
    ASSERT_FALSE(parsed) << row.why;
    EXPECT_EQ(parsed.error().problem, row.problem) << row.why;
  }
}

TEST(RequestHead, HoldsItsLimitsAtTheirEdges) {
  const auto with_target = [](std::size_t bytes) {
    return parse_head(head("", "GET /" + std::string(bytes - 1, 'a') + " HTTP/1.1"));
  };
  EXPECT_TRUE(with_target(kTargetBytesMax));
  ASSERT_FALSE(with_target(kTargetBytesMax + 1));
  EXPECT_EQ(with_target(kTargetBytesMax + 1).error().problem, Problem::kTargetTooLong);

  std::string fields;
  for (std::size_t i = 1; i < kHeaderFieldsMax; ++i) fields += "X-A: b\r\n";
  EXPECT_TRUE(parse_head(head(fields)));
  ASSERT_FALSE(parse_head(head(fields + "X-A: b\r\n")));
  EXPECT_EQ(parse_head(head(fields + "X-A: b\r\n")).error().problem, Problem::kHeadTooLarge);

  EXPECT_TRUE(parse_head(head("", std::string(kMethodBytesMax, 'M') + " / HTTP/1.1")));
}

TEST(RequestHead, FindsTheEndWhereverTheInputIsCut) {
  const std::string whole = "GET / HTTP/1.1\r\nHost: relay\r\n\r\n";
  const std::string bytes = whole + "body\n";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    std::size_t scanned = 0;
    const HeadEnd first = find_head_end(std::string_view(bytes).substr(0, cut), &scanned);
    EXPECT_EQ(first, cut < whole.size() ? HeadEnd::kIncomplete : HeadEnd::kFound) << cut;
    if (first == HeadEnd::kIncomplete) {
      EXPECT_EQ(find_head_end(bytes, &scanned), HeadEnd::kFound) << cut;
    }
    EXPECT_EQ(scanned, whole.size()) << cut;
  }
}

TEST(RequestHead, DoesNotWaitForMoreBehindABareLineFeedOrANul) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\n"), std::string("\n"), std::string("GET\0", 4)}) {
    std::size_t scanned = 0;
    EXPECT_EQ(find_head_end(bytes, &scanned), HeadEnd::kMalformed);
  }
}

}  // namespace
}  // namespace carillon::api
