#include "relay/fanout/localization.h"

#include <gtest/gtest.h>

namespace carillon::fanout {
namespace localization_test {

// The language that a device of `locale` gets of those; "": the default.
std::string chosen(std::initializer_list<const char*> languages, std::string_view locale) {
  Localization localization;
  for (const char* const language : languages) {
    EXPECT_TRUE(localization.add({.locale = language, .title = "t"})) << language;
  }
  const auto found = localization.find(locale);
  return found ? localization.wordings()[*found].locale : "";
}

struct Row {
  std::string_view device;
  std::string_view gets;
};

TEST(Localization, PicksTheLocaleElseWhatIsLeftOfItElseTheDefault) {
  for (const Row& row : std::initializer_list<Row>{{"de", "de"},
                                                   {"de-AT", "de-AT"},
                                                   {"de_AT", "de-AT"},
                                                   {"DE-at", "de-AT"},
                                                   {"de_AT.UTF-8", "de-AT"},
                                                   {"de_AT@euro", "de-AT"},
                                                   {"de-CH", "de"},
                                                   {"de-CH-1996", "de"},
                                                   {"de-AT-1996", "de-AT"},
                                                   {"de-AT-u-hc-h23", "de-AT"},
                                                   {"d", ""},
                                                   {"den", ""},
                                                   {"pt-BR", "pt_br"},
                                                   {"pt", ""},
                                                   {"pt-PT", ""},
                                                   {"zh-Hant-TW", "zh-Hant"},
                                                   {"zh-TW", ""},
                                                   {"zh", ""},
                                                   {"iw-IL", "he"},
                                                   {"iwx", ""},
                                                   {"", ""},
                                                   {"-", ""},
                                                   {"_", ""},
                                                   {"--", ""},
                                                   {".", ""}}) {
    EXPECT_EQ(chosen({"de", "de-AT", "pt_br", "zh-Hant", "he"}, row.device), row.gets)
        << row.device;
  }
}

TEST(Localization, KnowsALanguageByWhatItWasCalledBefore) {
  EXPECT_EQ(chosen({"iw"}, "he-IL"), "iw");
  EXPECT_EQ(chosen({"id"}, "in"), "id");
  EXPECT_EQ(chosen({"yi"}, "ji"), "yi");
  EXPECT_EQ(chosen({"in"}, "inh"), "") << "Ingush is another language";
}

TEST(Localization, TakesALanguageOnce) {
  Localization localization;
  EXPECT_TRUE(localization.add({.locale = "pt-BR", .title = "t"}));
  EXPECT_FALSE(localization.add({.locale = "PT_br", .title = "u"}));
  EXPECT_EQ(localization.wordings().size(), 1u);
}

TEST(Localization, CountsTagsAndTexts) {
  Localization localization;
  localization.add({.locale = "de", .title = "123", .body = "4567"});
  localization.add({.locale = "fr", .image = "8", .click_url = "90"});
  EXPECT_EQ(localization.bytes(), 2u + 7 + 2 + 3);
}

TEST(Localization, WhatALanguageLeavesOutIsTheDefaults) {
  const push::Notification said{.title = "New",
                                .body = "Bells",
                                .image = "https://i",
                                .sound = "ding",
                                .click_url = "app:en",
                                .badge = 3,
                                .data = {{"k", "v"}}};
  const push::Notification german =
      in_words(said, {.locale = "de", .title = "Neu", .click_url = "app:de"});
  EXPECT_EQ(german.title, "Neu");
  EXPECT_EQ(german.body, "Bells");
  EXPECT_EQ(german.image, "https://i");
  EXPECT_EQ(german.click_url, "app:de");
  EXPECT_EQ(german.sound, "ding");
  EXPECT_EQ(german.badge, 3u);
  EXPECT_EQ(german.data, said.data);
  const push::Notification french =
      in_words(said, {.locale = "fr", .body = "Cloches", .image = "https://fr"});
  EXPECT_EQ(french.title, "New");
  EXPECT_EQ(french.body, "Cloches");
  EXPECT_EQ(french.image, "https://fr");
}

TEST(Localization, PointsToTheMemberThatIsAtFaultElseToTheLanguage) {
  const Wording wording{.locale = "pt-BR", .body = "long"};
  EXPECT_EQ(pointer_in(wording, "/notification/body"), "/localized/pt-BR/body");
  EXPECT_EQ(pointer_in(wording, "/notification/title"), "/localized/pt-BR")
      << "the title is the default's, which alone would do";
  EXPECT_EQ(pointer_in(wording, "/data"), "/localized/pt-BR");
  EXPECT_EQ(pointer_in(wording, ""), "/localized/pt-BR");
}

}  // namespace localization_test
}  // namespace carillon::fanout
