// Each device is sent the words of its own language, whichever way its notification goes.
#include "relay/fanout/dispatcher.h"
#include "tests/relay/fanout/dispatcher_fixture.h"

namespace carillon::fanout {
namespace languages_test {

using push::VerdictKind;

class DispatcherLanguages : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    if (HasFatalFailure()) return;
    Localization languages;
    languages.add({.locale = "de", .title = "hallo"});
    languages.add({.locale = "de-AT", .title = "servus"});
    languages.add({.locale = "fr", .title = "salut"});
    localization_ = std::make_shared<const Localization>(std::move(languages));
  }

  void enrol(int device, std::string_view locale) {
    const std::string name = "d-" + std::to_string(device), its_token = token(device);
    const std::string_view topics[] = {"news"};
    const auto stored = store_->put_device({.app = "video",
                                            .device = name,
                                            .token = its_token,
                                            .subscriber = name,
                                            .locale = locale,
                                            .topics = topics},
                                           now_.calendar_ms);
    ASSERT_TRUE(stored) << stored.error().message;
  }
  // One phone of each: 0 German, 1 Austrian, 2 French, 3 Japanese, 4 unknown.
  void enrol_the_world() {
    int device = 0;
    for (const char* const locale : {"de", "de_AT", "fr-CA", "ja", ""}) enrol(device++, locale);
  }
  std::vector<std::string> read(const ScriptedProvider& provider) {
    std::vector<std::string> words;
    for (const auto& [of, body] : provider.bodies_sent) words.push_back(body);
    return words;  // in the order of devices, as tokens ascend with them
  }
  const std::vector<std::string> in_their_words_ = {"hallo", "servus", "salut", "hello", "hello"};
};

TEST_F(DispatcherLanguages, EachDeviceIsSentTheWordsOfItsLocale) {
  enrol_the_world();
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  run_to_the_end();
  EXPECT_EQ(read(provider), in_their_words_);
  EXPECT_EQ(counters(event).accepted, 5u);
  EXPECT_EQ(state(event), store::EventState::kCompleted);
}

TEST_F(DispatcherLanguages, EachLanguageIsRenderedOnceHoweverManyAreSentIt) {
  constexpr int kPhones = 60;
  for (int i = 0; i < kPhones; ++i) enrol(i, i % 2 == 0 ? "de" : "en");
  publish();
  ScriptedProvider provider;
  start(&provider);
  run_to_the_end();
  EXPECT_EQ(provider.times_sent.size(), static_cast<std::size_t>(kPhones));
  EXPECT_EQ(provider.times_rendered, 2) << "the default and German; nobody speaks the others";
  EXPECT_GE(provider.batches, kPhones / static_cast<int>(limits_.batch_devices));
}

TEST_F(DispatcherLanguages, ALifetimeThatRunsIsRenderedAnewInEachLanguage) {
  limits_.batch_devices = 2;
  for (int i = 0; i < 4; ++i) enrol(i, "de");
  publish();
  ScriptedProvider provider;
  provider.window_size = 2;
  start(&provider);
  turn();
  ASSERT_FALSE(provider.open.empty());
  EXPECT_EQ(provider.times_rendered, 2);
  answer_all();
  pass(kRenderedForMs);
  EXPECT_EQ(provider.times_rendered, 4);
  run_to_the_end();
  EXPECT_EQ(provider.times_sent.size(), 4u);
}

TEST_F(DispatcherLanguages, ARetryIsInTheSameWords) {
  enrol_the_world();
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  ASSERT_EQ(provider.open.size(), 5u);
  answer_all(VerdictKind::kUnavailable);
  record_all();
  provider.bodies_sent.clear();
  pass(10'000);
  run_to_the_end();
  EXPECT_EQ(read(provider), in_their_words_);
  for (const auto& [of, times] : provider.times_sent) EXPECT_EQ(times, 2) << of;
  EXPECT_EQ(counters(event).accepted, 5u);
}

TEST_F(DispatcherLanguages, ARepeatAfterACrashIsInTheSameWords) {
  enrol_the_world();
  publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  ASSERT_EQ(read(provider), in_their_words_);
  ScriptedProvider after;
  crash(&after);
  run_to_the_end();
  EXPECT_EQ(read(after), in_their_words_);
  for (const auto& [of, ids] : after.identities) EXPECT_EQ(provider.identities[of], ids) << of;
}

TEST_F(DispatcherLanguages, ARetryAfterACrashIsInTheSameWords) {
  enrol_the_world();
  publish();
  ScriptedProvider provider;
  start(&provider);
  turn();
  answer_all(VerdictKind::kUnavailable);
  record_all();
  ScriptedProvider after;
  crash(&after);
  pass(10'000);
  run_to_the_end();
  EXPECT_EQ(read(after), in_their_words_);
}

TEST_F(DispatcherLanguages, ALanguageThatIsNotTakenAnyMoreGoesOutInTheDefaultsWords) {
  Localization languages;
  languages.add({.locale = "de", .title = "unrenderable"});
  localization_ = std::make_shared<const Localization>(std::move(languages));
  for (int i = 0; i < 40; ++i) enrol(i, "de");
  const auto event = publish();
  ScriptedProvider provider;
  start(&provider);
  run_to_the_end();
  EXPECT_EQ(counters(event).accepted, 40u);
  EXPECT_EQ(provider.bodies_sent[token(0)], "hello");
  EXPECT_EQ(provider.times_rendered, 2) << "it is not tried again for each batch";
}

TEST_F(DispatcherLanguages, APausedEventGoesOnInTheWordsOfEach) {
  limits_.batch_devices = 2;
  enrol_the_world();
  const auto event = publish();
  ScriptedProvider provider;
  provider.window_size = 2;
  start(&provider);
  turn();
  const auto steer = [&](Wish::Kind kind) {
    dispatcher_->steer({.event = event, .wish = {.kind = kind}, .done = [](SteeringResult) {}},
                       now_);
    record_all();
  };
  steer(Wish::Kind::kPause);
  answer_all();
  record_all();
  EXPECT_LT(provider.times_sent.size(), 5u);
  steer(Wish::Kind::kResume);
  run_to_the_end();
  EXPECT_EQ(read(provider), in_their_words_);
}

}  // namespace languages_test
}  // namespace carillon::fanout
