#include "relay/fanout/notification_codec.h"

#include <gtest/gtest.h>

namespace carillon::fanout {
namespace {

TEST(NotificationCodec, KeepsEverythingThatIsNeededToRenderAgain) {
  push::Notification said{.title = "New \"video\"",
                          .body = "Zweite Zeile\n\xF0\x9F\x94\x94",
                          .image = "https://cdn.example/i.png",
                          .sound = "bell",
                          .category = "VIDEO",
                          .thread_id = "channel-42",
                          .click_url = "https://example/v/1",
                          .badge = 3,
                          .mutable_content = true,
                          .data = {{"video", "v-1"}, {"empty", ""}},
                          .collapse_key = "latest",
                          .apns_push_type = "voip",
                          .apns_json = R"({"aps":{"sound":"x"}})",
                          .fcm_json = R"({"android":{}})",
                          .webpush_json = "{}"};
  const auto read = decode_content(encode_content(said, true));
  ASSERT_TRUE(read) << read.error();
  const push::Notification& got = read->notification;
  EXPECT_EQ(got.title, said.title);
  EXPECT_EQ(got.body, said.body);
  EXPECT_EQ(got.image, said.image);
  EXPECT_EQ(got.sound, said.sound);
  EXPECT_EQ(got.category, said.category);
  EXPECT_EQ(got.thread_id, said.thread_id);
  EXPECT_EQ(got.click_url, said.click_url);
  EXPECT_EQ(got.badge, said.badge);
  EXPECT_TRUE(got.mutable_content);
  EXPECT_EQ(got.data, said.data);
  EXPECT_EQ(got.collapse_key, said.collapse_key);
  EXPECT_EQ(got.apns_push_type, said.apns_push_type);
  EXPECT_EQ(got.apns_json, said.apns_json);
  EXPECT_EQ(got.fcm_json, said.fcm_json);
  EXPECT_EQ(got.webpush_json, said.webpush_json);
  EXPECT_TRUE(read->now_or_never);
}

TEST(NotificationCodec, KeepsEveryLanguageAsItWasWritten) {
  Localization said;
  said.add(
      {.locale = "pt-BR", .title = "Novo", .body = "Sinos", .image = "https://cdn.example/pt"});
  said.add({.locale = "de_AT", .click_url = "app:at"});
  const auto read = decode_content(encode_content({.title = "New"}, false, &said));
  ASSERT_TRUE(read) << read.error();
  ASSERT_TRUE(read->localization);
  EXPECT_EQ(read->localization->wordings(), said.wordings());
}

TEST(NotificationCodec, ReadsAnEventOfBeforeThereWereLanguages) {
  const auto read = decode_content(R"({"format":1,"title":"New","badge":3})");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->notification.title, "New");
  EXPECT_FALSE(read->notification.mutable_content);
  EXPECT_FALSE(read->localization);
}

TEST(NotificationCodec, PassesOverLanguagesThatAreNone) {
  const auto read =
      decode_content(R"({"format":1,"localized":[1,{"locale":"de","title":"Neu","body":7}]})");
  ASSERT_TRUE(read) << read.error();
  ASSERT_TRUE(read->localization);
  EXPECT_EQ(read->localization->wordings(),
            (std::vector<Wording>{{.locale = "de", .title = "Neu"}}));
  EXPECT_FALSE(decode_content(R"({"format":1,"localized":[]})")->localization);
}

TEST(NotificationCodec, ReadsEventsThatWereStoredBeforeThereWerePushTypes) {
  const auto read = decode_content(R"({"body":"b","data":{"k":"v"},"format":1})");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->notification.body, "b");
  EXPECT_EQ(read->notification.apns_push_type, "");
}

TEST(NotificationCodec, RefusesWhatItDidNotWrite) {
  for (const char* bad : {"", "null", "[]", "{", "{}", R"({"format":2})", R"({"format":"1"})"}) {
    EXPECT_FALSE(decode_content(bad)) << bad;
  }
}

}  // namespace
}  // namespace carillon::fanout
