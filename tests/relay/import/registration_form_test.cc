#include "relay/import/registration_form.h"

#include <gtest/gtest.h>

#include <string>

namespace carillon::import {
namespace {

using store::Platform;

std::string times(std::size_t count, char c) {
  return std::string(count, c);
}

TEST(RegistrationForm, ANameIsOneTo128BytesWithoutControlCharacters) {
  for (const auto& good :
       {std::string("u"), times(128, 'u'), std::string("Jürgen 🔔"), std::string("a b/c?d=\"e\"")}) {
    EXPECT_EQ(name_fault(good), "") << good;
  }
  for (const auto& bad : {std::string(), times(129, 'u'), std::string("a\nb"), std::string("\x7f"),
                          std::string(1, '\0')}) {
    EXPECT_NE(name_fault(bad), "") << bad;
  }
}

TEST(RegistrationForm, AnAppIsOneTo64OfItsAlphabet) {
  EXPECT_EQ(app_fault("Video.app_2-x"), "");
  EXPECT_EQ(app_fault(times(64, 'a')), "");
  for (const auto& bad :
       {std::string(), times(65, 'a'), std::string("a/b"), std::string("ä"), std::string("a b")}) {
    EXPECT_NE(app_fault(bad), "") << bad;
  }
}

TEST(RegistrationForm, ATopicIsOneTo128OfFcmsAlphabet) {
  EXPECT_EQ(topic_fault("channel-42_a.b~c%20"), "");
  EXPECT_EQ(topic_fault(times(128, 't')), "");
  for (const auto& bad : {std::string(), times(129, 't'), std::string("a/b"), std::string("a b"),
                          std::string("ü"), std::string("a:b")}) {
    EXPECT_NE(topic_fault(bad), "") << bad;
  }
}

TEST(RegistrationForm, AnApnsTokenIsAnEvenNumberOfHexDigits) {
  EXPECT_EQ(token_fault(Platform::kApns, "aF"), "");
  EXPECT_EQ(token_fault(Platform::kApns, times(64, '0')), "");
  EXPECT_EQ(token_fault(Platform::kApns, times(200, 'f')), "");
  for (const auto& bad : {std::string(), std::string("abc"), times(202, 'f'), std::string("zz"),
                          std::string("a/"), std::string("a\"")}) {
    EXPECT_NE(token_fault(Platform::kApns, bad), "") << bad;
  }
}

TEST(RegistrationForm, AnFcmTokenNeedsNoEscapingInJson) {
  EXPECT_EQ(token_fault(Platform::kFcm, "fAb_1-2:APA91b.x"), "");
  EXPECT_EQ(token_fault(Platform::kFcm, times(4096, 'a')), "");
  for (const auto& bad : {std::string(), times(4097, 'a'), std::string("a\"b"), std::string("a\\b"),
                          std::string("a b"), std::string("a/b")}) {
    EXPECT_NE(token_fault(Platform::kFcm, bad), "") << bad;
  }
  EXPECT_NE(token_fault(Platform::kWebPush, "abc"), "");
}

TEST(RegistrationForm, LocaleAndTimezoneMayBeLeftOut) {
  for (const auto& good :
       {std::string(), std::string("de"), std::string("zh_Hant-TW"), times(35, 'a')}) {
    EXPECT_EQ(locale_fault(good), "") << good;
  }
  EXPECT_NE(locale_fault(times(36, 'a')), "");
  EXPECT_NE(locale_fault("de DE"), "");
  for (const auto& good :
       {std::string(), std::string("Europe/Berlin"), std::string("Etc/GMT+5"), times(64, 'a')}) {
    EXPECT_EQ(timezone_fault(good), "") << good;
  }
  EXPECT_NE(timezone_fault(times(65, 'a')), "");
  EXPECT_NE(timezone_fault("Europe Berlin"), "");
}

TEST(RegistrationForm, AnAppVersionBeginsWithADigit) {
  for (const auto& good : {std::string(), std::string("3"), std::string("3.10.1"),
                           std::string("4.0-beta.2+17_x"), times(64, '1')}) {
    EXPECT_EQ(app_version_fault(good), "") << good;
  }
  for (const auto& bad : {times(65, '1'), std::string("v3"), std::string(".1"), std::string("3 1"),
                          std::string("3/1"), std::string("3ü")}) {
    EXPECT_NE(app_version_fault(bad), "") << bad;
  }
}

TEST(RegistrationForm, AnAttributeHasANameAndBoundedText) {
  EXPECT_EQ(attribute_name_fault(times(64, 'n')), "");
  EXPECT_EQ(attribute_name_fault("favourite team ü"), "");
  EXPECT_NE(attribute_name_fault(""), "");
  EXPECT_NE(attribute_name_fault(times(65, 'n')), "");
  EXPECT_NE(attribute_name_fault("a\tb"), "");
  EXPECT_EQ(attribute_text_fault(""), "");
  EXPECT_EQ(attribute_text_fault(times(256, 't')), "");
  EXPECT_NE(attribute_text_fault(times(257, 't')), "");
  EXPECT_NE(attribute_text_fault("a\nb"), "");
}

TEST(RegistrationForm, KnowsThePlatformsThatThisVersionSendsTo) {
  EXPECT_EQ(platform_named("apns"), Platform::kApns);
  EXPECT_EQ(platform_named("fcm"), Platform::kFcm);
  EXPECT_EQ(platform_named("webpush"), Platform::kWebPush);
  EXPECT_EQ(platform_named("APNS"), std::nullopt);
}

}  // namespace
}  // namespace carillon::import
