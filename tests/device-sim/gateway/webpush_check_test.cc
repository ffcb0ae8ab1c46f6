#include "device-sim/gateway/webpush_check.h"

#include <gtest/gtest.h>

namespace device_sim::webpush_check_test {
namespace {

using Reason = WebPushReason;

Request push(const std::vector<std::pair<std::string, std::string>>& headers) {
  Request request;
  request.add(":method", "POST");
  for (const auto& [name, value] : headers) request.add(name, value);
  return request;
}

Reason reason_of(const std::vector<std::pair<std::string, std::string>>& headers) {
  return check_webpush_head(push(headers)).reason;
}

TEST(WebPushCheck, ReadsATimeToLiveAndShortensALongOne) {
  const auto ttl = [](const char* text) {
    const auto verdict = check_webpush_head(push({{"ttl", text}}));
    EXPECT_EQ(verdict.reason, Reason::kNone) << text;
    return verdict.ttl_s;
  };
  EXPECT_EQ(ttl("0"), 0U);
  EXPECT_EQ(ttl("2592000"), 2'592'000U);
  EXPECT_EQ(ttl("2592001"), 2'592'000U);
  EXPECT_EQ(ttl("99999999999999999999999"), 2'592'000U);
  EXPECT_EQ(reason_of({}), Reason::kMissingTtl);
  for (const char* text : {"", "-1", "1.5", "60s", " 60"}) {
    EXPECT_EQ(reason_of({{"ttl", text}}), Reason::kBadTtl) << text;
  }
}

TEST(WebPushCheck, TakesATopicOf32CharactersOfTheAlphabetAndRefusesOneMore) {
  const auto with_topic = [](const std::string& topic) {
    return reason_of({{"ttl", "0"}, {"topic", topic}});
  };
  EXPECT_EQ(with_topic("aZ9-_"), Reason::kNone);
  EXPECT_EQ(with_topic(std::string(32, 'x')), Reason::kNone);
  EXPECT_EQ(with_topic(std::string(33, 'x')), Reason::kBadTopic);
  EXPECT_EQ(with_topic(""), Reason::kBadTopic);
  EXPECT_EQ(with_topic("a b"), Reason::kBadTopic);
  EXPECT_EQ(with_topic("a="), Reason::kBadTopic);
}

TEST(WebPushCheck, KnowsFourUrgencies) {
  for (const char* urgency : {"very-low", "low", "normal", "high"}) {
    EXPECT_EQ(reason_of({{"ttl", "0"}, {"urgency", urgency}}), Reason::kNone) << urgency;
  }
  for (const char* urgency : {"", "High", "urgent", "low,high"}) {
    EXPECT_EQ(reason_of({{"ttl", "0"}, {"urgency", urgency}}), Reason::kBadUrgency) << urgency;
  }
}

TEST(WebPushCheck, RefusesOtherMethodsAndHeadersThatComeTwice) {
  Request get;
  get.add(":method", "GET");
  get.add("ttl", "0");
  EXPECT_EQ(check_webpush_head(get).reason, Reason::kMethodNotAllowed);
  for (const char* name : {"ttl", "topic", "urgency", "authorization", "content-encoding"}) {
    EXPECT_EQ(reason_of({{"ttl", "0"}, {name, "1"}, {name, "1"}}), Reason::kDuplicateHeaders)
        << name;
  }
}

TEST(WebPushCheck, TakesABodyOf4096BytesThatSaysHowItIsEncrypted) {
  Request request = push({{"ttl", "0"}, {"content-encoding", "aes128gcm"}});
  request.append_body(std::string(4'096, 'x'));
  EXPECT_EQ(check_webpush_body(request), Reason::kNone);
  request.append_body("x");
  EXPECT_EQ(check_webpush_body(request), Reason::kBodyTooLarge);
  request = push({{"content-encoding", "aesgcm"}});
  request.append_body("x");
  EXPECT_EQ(check_webpush_body(request), Reason::kBadEncoding);
  EXPECT_EQ(check_webpush_body(push({})), Reason::kNone) << "a message without content";
}

TEST(WebPushCheck, FindsWhatABrowserShows) {
  const auto payload = read_webpush_payload(
      R"({"event":"e1","notification":{"title":"T","body":"B","tag":"t"},"data":{}})");
  EXPECT_EQ(payload.event, "e1");
  EXPECT_EQ(payload.title, "T");
  EXPECT_EQ(payload.body, "B");
  EXPECT_EQ(payload.tag, "t");
  EXPECT_EQ(read_webpush_payload("hello").body, "hello");
  EXPECT_EQ(read_webpush_payload(R"({"notification":"x","event":7})").event, "");
}

TEST(WebPushCheck, WritesErrorsAsMozillaDoes) {
  EXPECT_EQ(webpush_error_body(Reason::kMissingTtl),
            R"({"code":400,"errno":111,"error":"MissingTtl"})");
  EXPECT_EQ(webpush_error_body(Reason::kTooManyRequests),
            R"({"code":429,"error":"TooManyRequests"})");
}

}  // namespace
}  // namespace device_sim::webpush_check_test
