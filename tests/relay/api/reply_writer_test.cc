#include "relay/api/reply_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::api {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ReplyWriterTest : public testing::Test {
 protected:
  ReplyWriter writer_{std::chrono::seconds(15), 100};
};

TEST_F(ReplyWriterTest, WritesStatusFieldsAndBody) {
  Reply reply{.status = 202};
  reply.body = "{}\n";
  reply.headers.emplace_back("Location", "/v1/events/x");
  const std::string bytes = writer_.bytes_of(reply, "POST", false);
  EXPECT_THAT(bytes, StartsWith("HTTP/1.1 202 "));
  EXPECT_THAT(bytes, HasSubstr("\r\nLocation: /v1/events/x\r\n"));
  EXPECT_THAT(bytes, HasSubstr("\r\nContent-Length: 3\r\n"));
  EXPECT_THAT(bytes, HasSubstr("\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(bytes, Not(HasSubstr("Connection: close")));
  EXPECT_THAT(bytes, EndsWith("\r\n\r\n{}\n"));
}

TEST_F(ReplyWriterTest, SaysWhenTheConnectionEnds) {
  EXPECT_THAT(writer_.bytes_of(Reply{.status = 200}, "GET", true),
              HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(ReplyWriterTest, AnswersHeadWithoutABodyButWithItsLength) {
  Reply reply;
  reply.body = "hello";
  const std::string bytes = writer_.bytes_of(reply, "HEAD", false);
  EXPECT_THAT(bytes, HasSubstr("\r\nContent-Length: 5\r\n"));
  EXPECT_THAT(bytes, EndsWith("\r\n\r\n"));
}

TEST_F(ReplyWriterTest, WritesOnlyTheHeadOfWhatIsTakenOver) {
  Reply reply{.status = 200, .content_type = "text/event-stream"};
  reply.take_over = [](int) {};
  const std::string bytes = writer_.bytes_of(reply, "GET", true);
  EXPECT_THAT(bytes, HasSubstr("\r\nContent-Type: text/event-stream\r\n"));
  EXPECT_THAT(bytes, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(bytes, EndsWith("\r\n\r\n"));
}

}  // namespace
}  // namespace carillon::api
