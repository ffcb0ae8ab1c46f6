#include "device-sim/gateway/request.h"

#include <gtest/gtest.h>

namespace device_sim {
namespace {

TEST(Request, KnowsItsFieldsByName) {
  const std::pair<const char*, Field> kNames[] = {{":method", Field::kMethod},
                                                  {":path", Field::kPath},
                                                  {":scheme", Field::kScheme},
                                                  {":authority", Field::kAuthority},
                                                  {"host", Field::kHost},
                                                  {"authorization", Field::kAuthorization},
                                                  {"content-type", Field::kContentType},
                                                  {"content-length", Field::kContentLength},
                                                  {"apns-id", Field::kApnsId},
                                                  {"apns-topic", Field::kApnsTopic},
                                                  {"apns-push-type", Field::kApnsPushType},
                                                  {"apns-priority", Field::kApnsPriority},
                                                  {"apns-expiration", Field::kApnsExpiration},
                                                  {"apns-collapse-id", Field::kApnsCollapseId}};
  for (const auto& [name, field] : kNames) EXPECT_EQ(field_of(name), field) << name;
  for (const char* name : {"", "x", "apns-idd", "Host", "content-lengtg", "apns-collapse-ie"}) {
    EXPECT_EQ(field_of(name), Field::kOther) << name;
  }
}

TEST(Request, KeepsTheFirstOfARepeatedFieldAndRemembersTheRepetition) {
  Request request;
  request.add("apns-topic", "one");
  request.add("apns-topic", "two");
  request.add("x-other", "1");
  request.add("x-other", "2");
  EXPECT_EQ(request.get(Field::kApnsTopic), "one");
  EXPECT_TRUE(request.repeats(Field::kApnsTopic));
  EXPECT_FALSE(request.repeats(Field::kApnsId));
  request.clear();
  EXPECT_FALSE(request.repeats_any());
  EXPECT_FALSE(request.has(Field::kApnsTopic));
  EXPECT_EQ(request.get(Field::kApnsTopic), "");
}

TEST(Request, TakesAHeadUpToItsLimit) {
  Request request;
  EXPECT_TRUE(request.add("x", std::string(kRequestHeadBytesMax - 1, 'a')));
  EXPECT_FALSE(request.add("y", ""));
}

TEST(Request, DropsWhatABodyHasBeyondItsLimit) {
  Request request;
  request.append_body(std::string(kRequestBodyBytesMax, 'a'));
  EXPECT_FALSE(request.body_is_cut);
  request.append_body("b");
  EXPECT_TRUE(request.body_is_cut);
  EXPECT_EQ(request.body.size(), kRequestBodyBytesMax);
}

}  // namespace
}  // namespace device_sim
