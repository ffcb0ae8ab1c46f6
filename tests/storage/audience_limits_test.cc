// Every limit of what a device may have and an audience may be, at its edge.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/storage/store_fixture.h"

namespace carillon::store::audience_limits_test {
namespace {

Condition topic(const std::string& name) {
  Condition condition;
  condition.topic = name;
  return condition;
}

class AudienceLimits : public testing::Test {
 protected:
  AudienceLimits() { store_ = *open_sqlite_store({.path = folder_.file("store.db")}); }

  Result<Registered> put(std::span<const AttributeView> attributes,
                         const std::string& version = {}) {
    return store_->put_device({.app = "video",
                               .device = "d-1",
                               .platform = Platform::kApns,
                               .token = "token",
                               .app_version = version,
                               .attributes = attributes},
                              1000);
  }
  void expect_refused(const Result<Registered>& result, const char* part,
                      Error::Kind kind = Error::Kind::kInvalid) {
    ASSERT_FALSE(result) << part;
    EXPECT_EQ(result.error().kind, kind);
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
  }
  bool counts(const Condition& condition) {
    const auto counted = store_->count("video", {.condition = condition});
    if (!counted) {
      EXPECT_EQ(counted.error().kind, Error::Kind::kInvalid) << counted.error().message;
    }
    return counted.has_value();
  }

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<Store> store_;
};

TEST_F(AudienceLimits, ADeviceHasSoManyAttributes) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= kAttributesPerDeviceMax; ++i) names.push_back(std::to_string(i));
  std::vector<AttributeView> attributes;
  for (const std::string& name : names) attributes.push_back({.name = name, .value = true});
  expect_refused(put(attributes), "more than 64 attributes");
  attributes.pop_back();
  EXPECT_TRUE(put(attributes));
  EXPECT_EQ(store_->device("video", "d-1")->attributes.size(), kAttributesPerDeviceMax);
}

TEST_F(AudienceLimits, AnAttributesNameAndTextsAreShort) {
  const std::string name(kAttributeNameBytesMax, 'n'), text(kAttributeTextBytesMax, 't');
  const auto with = [&](std::string_view of, std::string_view value) {
    const AttributeView attribute{.name = of, .value = value};
    return put(std::span(&attribute, 1));
  };
  EXPECT_TRUE(with(name, text));
  expect_refused(with(name + "n", text), "longer than 64 bytes");
  expect_refused(with(name, text + "t"), "longer than 256 bytes");
  expect_refused(with("", text), "name is empty");
  expect_refused(with("a\n", text), "control characters");
  const std::vector<std::string_view> texts(kAttributeTextsMax + 1, "x");
  const auto list = [&](std::size_t count) {
    const AttributeView attribute{.name = "a", .value = std::span(texts).first(count)};
    return put(std::span(&attribute, 1));
  };
  EXPECT_TRUE(list(kAttributeTextsMax));
  expect_refused(list(kAttributeTextsMax + 1), "more than 64 texts");
  const AttributeView twice[] = {{.name = "a", .value = true}, {.name = "a", .value = 1.0}};
  expect_refused(put(twice), "given twice");
  const AttributeView infinite[] = {{.name = "a", .value = INFINITY}};
  expect_refused(put(infinite), "finite");
}

TEST_F(AudienceLimits, AllOfADevicesAttributesHaveSoManyBytes) {
  // A text of n bytes is stored in n + 3: kind, two bytes of length.
  const std::string large(kAttributeTextBytesMax, 't');
  std::vector<std::string> names;
  for (int i = 0; i < 16; ++i) names.push_back("a" + std::to_string(i));
  std::vector<AttributeView> attributes;
  for (int i = 0; i < 15; ++i) {
    attributes.push_back(
        {.name = names[static_cast<std::size_t>(i)], .value = std::string_view(large)});
  }
  const std::size_t left = kAttributeBytesPerDeviceMax - 15 * (large.size() + 3) - 3;
  ASSERT_LT(left, kAttributeTextBytesMax);
  attributes.push_back({.name = names[15], .value = std::string_view(large).substr(0, left)});
  EXPECT_TRUE(put(attributes));
  attributes.back().value = std::string_view(large).substr(0, left + 1);
  expect_refused(put(attributes), "4097 bytes");
}

TEST_F(AudienceLimits, AnAppHasSoManyNamesOfAttributes) {
  for (std::size_t i = 0; i < kAttributeNamesMax; i += kAttributesPerDeviceMax) {
    std::vector<std::string> names;
    for (std::size_t k = 0; k < kAttributesPerDeviceMax; ++k)
      names.push_back(std::to_string(i + k));
    std::vector<AttributeView> attributes;
    for (const std::string& name : names) attributes.push_back({.name = name, .value = 1.0});
    ASSERT_TRUE(put(attributes));
  }
  const AttributeView more[] = {{.name = "one more", .value = true}};
  expect_refused(put(more), "1024 names", Error::Kind::kFull);
  const AttributeView known[] = {{.name = "7", .value = true}};
  EXPECT_TRUE(put(known));
  EXPECT_TRUE(store_->put_device({.app = "radio",
                                  .device = "d-1",
                                  .platform = Platform::kApns,
                                  .token = "token",
                                  .attributes = more},
                                 1000))
      << "another app has names of its own";
}

TEST_F(AudienceLimits, AnAppsVersionIsShort) {
  EXPECT_TRUE(put({}, std::string(kAppVersionBytesMax, '1')));
  expect_refused(put({}, std::string(kAppVersionBytesMax + 1, '1')), "longer than 64 bytes");
}

TEST_F(AudienceLimits, ADeviceHearsSoManyTopicsItself) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kTopicsPerDeviceMax; ++i) names.push_back("t" + std::to_string(i));
  const std::vector<std::string_view> topics(names.begin(), names.end());
  const auto hear = [&](std::span<const std::string_view> of) {
    return store_->put_device({.app = "video",
                               .device = "d-1",
                               .platform = Platform::kApns,
                               .token = "token",
                               .device_topics = of},
                              1000);
  };
  ASSERT_TRUE(hear(std::span(topics).first(kTopicsPerDeviceMax - 1)));
  ASSERT_TRUE(hear(topics));
  const std::string_view more[] = {"one more"};
  expect_refused(hear(more), "more than 256 topics");
  const auto subscribed = store_->subscribe_device("video", "one more", "d-1");
  ASSERT_FALSE(subscribed);
  EXPECT_EQ(subscribed.error().kind, Error::Kind::kInvalid);
  EXPECT_FALSE(*store_->subscribe_device("video", "t0", "d-1"));
}

TEST_F(AudienceLimits, AnEventNamesSoManyTopics) {
  Audience audience;
  audience.topics.assign(kTopicsPerEventMax, "news");
  EXPECT_TRUE(store_->count("video", audience));
  audience.topics.push_back("news");
  EXPECT_FALSE(store_->count("video", audience));
  NewEvent event;
  event.id = event_id(1);
  event.app = "video";
  event.audience = audience;
  EXPECT_EQ(store_->accept(event).error().kind, Error::Kind::kInvalid);
}

TEST_F(AudienceLimits, AConditionHasSoManyTermsAndLevels) {
  Condition wide{.kind = Condition::Kind::kOr};
  wide.of.assign(kConditionTermsMax, topic("news"));
  EXPECT_TRUE(counts(wide));
  wide.of.push_back(topic("news"));
  EXPECT_FALSE(counts(wide));
  Condition deep = topic("news");
  for (std::size_t i = 1; i < kConditionDepthMax; ++i) {
    deep = {.kind = Condition::Kind::kNot, .of = {deep}};
  }
  EXPECT_TRUE(counts(deep));
  EXPECT_FALSE(counts({.kind = Condition::Kind::kNot, .of = {deep}}));
}

TEST_F(AudienceLimits, AConditionThatMakesNoSenseIsRefused) {
  using Field = Condition::Field;
  using Compare = Condition::Compare;
  const auto leaf = [](Field field, Compare compare, decltype(Condition::value) value) {
    return Condition{.kind = Condition::Kind::kCompare,
                     .field = field,
                     .attribute = field == Field::kAttribute ? "a" : "",
                     .compare = compare,
                     .value = std::move(value)};
  };
  EXPECT_FALSE(counts({.kind = Condition::Kind::kAnd, .of = {topic("news")}}));
  EXPECT_FALSE(counts({.kind = Condition::Kind::kNot}));
  EXPECT_FALSE(counts(topic("")));
  EXPECT_FALSE(counts(leaf(Field::kPlatform, Compare::kEqual, "ios")));
  EXPECT_FALSE(counts(leaf(Field::kPlatform, Compare::kLess, "apns")));
  EXPECT_FALSE(counts(leaf(Field::kAppVersion, Compare::kGreater, 3.0)));
  EXPECT_FALSE(counts(leaf(Field::kLocale, Compare::kContains, "de")));
  EXPECT_FALSE(counts(leaf(Field::kAttribute, Compare::kLess, true)));
  EXPECT_FALSE(counts(leaf(Field::kAttribute, Compare::kStartsWith, 3.0)));
  EXPECT_FALSE(counts(leaf(Field::kAttribute, Compare::kEqual, NAN)));
  EXPECT_TRUE(counts(leaf(Field::kAttribute, Compare::kContains, "x")));
  EXPECT_TRUE(counts(leaf(Field::kPlatform, Compare::kNotEqual, "apns")));
}

}  // namespace
}  // namespace carillon::store::audience_limits_test
