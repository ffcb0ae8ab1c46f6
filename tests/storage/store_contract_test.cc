// What every implementation of storage/store.h has to keep.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/storage/store_fixture.h"

namespace carillon::store {
namespace {

using testing::Test;

class StoreContract : public testing::TestWithParam<StoreFactory> {
 protected:
  StoreContract() { reopen(); }
  void TearDown() override {
    store_.reset();
    const auto problems = GetParam().check(folder_.file(""));
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }

  void reopen() {
    store_.reset();
    auto opened = GetParam().open(folder_.file(""));
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }

  struct Phone {
    std::string device;
    std::string token;
    std::string subscriber;
    std::vector<std::string_view> topics;
    Platform platform = Platform::kApns;
    std::string locale;
    std::string timezone;
    std::int64_t now_ms = 1000;
    std::string app = "video";
  };
  Result<Registered> put(const Phone& phone) {
    return store_->put_device({.app = phone.app,
                               .device = phone.device,
                               .platform = phone.platform,
                               .token = phone.token,
                               .subscriber = phone.subscriber,
                               .locale = phone.locale,
                               .timezone = phone.timezone,
                               .topics = phone.topics},
                              phone.now_ms);
  }
  NewEvent to_topic(std::uint32_t number, const std::string& topic = "news") {
    NewEvent event;
    event.id = event_id(number);
    event.app = "video";
    event.audience.topics = {topic};
    event.content = "content";
    event.accepted_ms = 500;
    event.expires_ms = 90'000;
    return event;
  }
  AcceptedEvent accept(const NewEvent& event) {
    auto accepted = store_->accept(event);
    EXPECT_TRUE(accepted) << accepted.error().message;
    return accepted.value_or(AcceptedEvent{});
  }
  static JobKey job(std::uint32_t number, Platform platform = Platform::kApns) {
    return {event_id(number), platform};
  }
  std::vector<std::string> tokens(const JobKey& key) { return tokens_of(scan_all(*store_, key)); }
  static Error::Kind kind(const auto& result) {
    EXPECT_FALSE(result);
    return result ? Error::Kind::kIo : result.error().kind;
  }
  using Tokens = std::vector<std::string>;

  TemporaryFolder folder_{TemporaryFolder::Speed::kFast};
  std::unique_ptr<Store> store_;
};

// --- the audience
// ----------------------------------------------------------------------------------

TEST_P(StoreContract, KeepsADeviceAsItWasRegistered) {
  EXPECT_EQ(put({.device = "d-1",
                 .token = "aa",
                 .subscriber = "u-1",
                 .topics = {"sports", "news"},
                 .locale = "de-AT",
                 .timezone = "Europe/Vienna"}),
            Registered::kCreated);
  reopen();
  const auto device = store_->device("video", "d-1");
  ASSERT_TRUE(device);
  EXPECT_EQ(device->token, "aa");
  EXPECT_EQ(device->subscriber, "u-1");
  EXPECT_EQ(device->locale, "de-AT");
  EXPECT_EQ(device->timezone, "Europe/Vienna");
  EXPECT_EQ(device->topics, (Tokens{"news", "sports"}));
  EXPECT_EQ(device->registered_ms, 1000);
}

TEST_P(StoreContract, SaysWhetherARegistrationChangedAnything) {
  const Phone phone{.device = "d-1", .token = "aa", .subscriber = "u-1", .topics = {"news"}};
  EXPECT_EQ(put(phone), Registered::kCreated);
  Phone later = phone;
  later.now_ms = 2000;
  EXPECT_EQ(put(later), Registered::kUnchanged);
  EXPECT_EQ(store_->device("video", "d-1")->registered_ms, 1000);
  later.locale = "de";
  EXPECT_EQ(put(later), Registered::kUpdated);
  EXPECT_EQ(store_->device("video", "d-1")->registered_ms, 1000) << "of the token";
  later.token = "bb";
  EXPECT_EQ(put(later), Registered::kUpdated);
  EXPECT_EQ(store_->device("video", "d-1")->registered_ms, 2000);
  later.topics = {"sports"};
  EXPECT_EQ(put(later), Registered::kUpdated);
  EXPECT_EQ(store_->device("video", "d-1")->topics, (Tokens{"news", "sports"}));
}

TEST_P(StoreContract, KeepsAppsApart) {
  EXPECT_EQ(put({.device = "d-1", .token = "aa", .subscriber = "u-1", .topics = {"news"}}),
            Registered::kCreated);
  EXPECT_EQ(put({.device = "d-1",
                 .token = "aa",
                 .subscriber = "u-1",
                 .topics = {"news"},
                 .locale = "fr",
                 .app = "radio"}),
            Registered::kCreated);
  EXPECT_EQ(store_->device("video", "d-1")->locale, "");
  EXPECT_EQ(store_->device("radio", "d-1")->locale, "fr");
  EXPECT_EQ(store_->topic("video", "news")->subscribers, 1u);
  EXPECT_EQ(kind(store_->device("mail", "d-1")), Error::Kind::kNotFound);
}

TEST_P(StoreContract, RefusesNamesThatAreNoNames) {
  const std::string longest(kNameBytesMax, 'n'), too_long(kNameBytesMax + 1, 'n');
  EXPECT_EQ(put({.device = longest, .token = "aa", .subscriber = longest}), Registered::kCreated);
  EXPECT_TRUE(store_->device("video", longest));
  for (const std::string& bad :
       {too_long, std::string(), std::string("a\nb"), std::string("\xff"), std::string("\xc0\x80"),
        std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("a\x7f"),
        std::string("\xc2\x85"), std::string("\xe2\x82"), std::string("a\0b", 3)}) {
    EXPECT_EQ(kind(put({.device = bad, .token = "bb"})), Error::Kind::kInvalid) << bad;
  }
  EXPECT_EQ(kind(put({.device = "d", .token = "bb", .subscriber = too_long})),
            Error::Kind::kInvalid);
  EXPECT_EQ(kind(put({.device = "d", .token = "bb", .topics = {too_long}})), Error::Kind::kInvalid);
  EXPECT_EQ(kind(put({.device = "d", .token = "bb", .app = ""})), Error::Kind::kInvalid);
  EXPECT_EQ(kind(store_->subscribe("video", too_long, "u", 1)), Error::Kind::kInvalid);
  EXPECT_EQ(put({.device = "Jürgens 手機 📱", .token = "bb"}), Registered::kCreated);
}

TEST_P(StoreContract, TakesTokensUpToTheirLimit) {
  const std::string longest(kTokenBytesMax, '~');
  EXPECT_EQ(put({.device = "d-1", .token = longest, .topics = {"news"}}), Registered::kCreated);
  EXPECT_EQ(store_->device("video", "d-1")->token, longest);
  EXPECT_EQ(kind(put({.device = "d-2", .token = longest + "~"})), Error::Kind::kInvalid);
  EXPECT_EQ(kind(put({.device = "d-2", .token = ""})), Error::Kind::kInvalid);
  const std::string locale(kLocaleBytesMax, 'l'), zone(kTimezoneBytesMax, 'z');
  EXPECT_EQ(put({.device = "d-2", .token = "bb", .locale = locale, .timezone = zone}),
            Registered::kCreated);
  EXPECT_EQ(kind(put({.device = "d-2", .token = "bb", .locale = locale + "l"})),
            Error::Kind::kInvalid);
  EXPECT_EQ(kind(put({.device = "d-2", .token = "bb", .timezone = zone + "z"})),
            Error::Kind::kInvalid);
  accept(to_topic(1));
  EXPECT_EQ(tokens(job(1)), Tokens{longest});
}

TEST_P(StoreContract, GivesASubscriberSoManyDevicesAndNoMore) {
  for (std::size_t i = 0; i < kDevicesPerSubscriberMax; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_EQ(put({.device = "d-" + n, .token = "t-" + n, .subscriber = "u", .topics = {"news"}}),
              Registered::kCreated);
  }
  EXPECT_EQ(kind(put({.device = "one-more", .token = "x", .subscriber = "u"})),
            Error::Kind::kInvalid);
  EXPECT_EQ(kind(store_->device("video", "one-more")), Error::Kind::kNotFound);
  EXPECT_EQ(put({.device = "one-more", .token = "t-3", .subscriber = "u"}), Registered::kCreated)
      << "it takes the place of the device whose token it brings";
  EXPECT_EQ(store_->topic("video", "news")->devices[0], kDevicesPerSubscriberMax);
}

TEST_P(StoreContract, GivesASubscriberSoManyTopicsAndNoMore) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= kTopicsPerSubscriberMax; ++i)
    names.push_back("t" + std::to_string(i));
  const std::vector<std::string_view> all(names.begin(), names.end());
  EXPECT_EQ(kind(put({.device = "d", .token = "aa", .subscriber = "u", .topics = all})),
            Error::Kind::kInvalid);
  const std::vector<std::string_view> most(names.begin(), names.end() - 1);
  EXPECT_EQ(put({.device = "d", .token = "aa", .subscriber = "u", .topics = most}),
            Registered::kCreated);
  EXPECT_EQ(kind(store_->subscribe("video", names.back(), "u", 1)), Error::Kind::kInvalid);
  EXPECT_EQ(put({.device = "d", .token = "aa", .subscriber = "u", .topics = most}),
            Registered::kUnchanged);
  EXPECT_EQ(store_->device("video", "d")->topics.size(), kTopicsPerSubscriberMax);
}

TEST_P(StoreContract, MovesADeviceThatSignsInAsSomebodyElse) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  put({.device = "d-2", .token = "bb", .subscriber = "ann"});
  EXPECT_EQ(put({.device = "d-1", .token = "aa", .subscriber = "bob", .topics = {"sports"}}),
            Registered::kUpdated);
  EXPECT_EQ(store_->device("video", "d-1")->topics, Tokens{"sports"});
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 1u);
  EXPECT_EQ(put({.device = "d-1", .token = "aa", .topics = {"news"}}), Registered::kUpdated)
      << "signed out";
  EXPECT_EQ(store_->device("video", "d-1")->subscriber, "");
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 2u);
  EXPECT_EQ(store_->topic("video", "sports")->subscribers, 1u) << "bob may get another device";
}

TEST_P(StoreContract, LetsAPhoneHaveOneTokenOnly) {
  put({.device = "old-install", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  EXPECT_EQ(put({.device = "new-install", .token = "aa", .topics = {"news"}}),
            Registered::kCreated);
  EXPECT_EQ(kind(store_->device("video", "old-install")), Error::Kind::kNotFound);
  EXPECT_EQ(store_->topic("video", "news")->subscribers, 2u);
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 1u);
  EXPECT_EQ(put({.device = "browser", .token = "aa", .platform = Platform::kFcm}),
            Registered::kCreated)
      << "another platform's token is another token";
  EXPECT_TRUE(store_->device("video", "new-install"));
}

TEST_P(StoreContract, LetsASubscriptionsEndpointDecideWhoseItIs) {
  const auto put_browser = [&](const char* device, const char* token) {
    return put(
        {.device = device, .token = token, .topics = {"news"}, .platform = Platform::kWebPush});
  };
  put_browser("d-1", "https://push.test/x key-1 auth-1");
  put_browser("d-2", "https://push.test/y key-1 auth-1");
  put_browser("d-3", "https://push.test/x key-2 auth-2");
  EXPECT_EQ(kind(store_->device("video", "d-1")), Error::Kind::kNotFound)
      << "its endpoint is another's now, whatever the keys";
  EXPECT_TRUE(store_->device("video", "d-2"));
  put_browser("d-3", "https://push.test/x key-3 auth-3");
  EXPECT_EQ(store_->device("video", "d-3")->token, "https://push.test/x key-3 auth-3");
  EXPECT_EQ(store_->topic("video", "news")->devices[2], 2u);
  put_browser("d-4", "https://push.test/x key-4 auth-4");
  EXPECT_EQ(kind(store_->device("video", "d-3")), Error::Kind::kNotFound)
      << "found by its endpoint after its keys have changed";
}

TEST_P(StoreContract, JudgesEachLineOfABatchByItself) {
  const std::vector<std::string_view> news = {"news"};
  const std::vector<DeviceRegistration> lines = {
      {.app = "video", .device = "d-1", .token = "aa", .subscriber = "u", .topics = news},
      {.app = "video", .device = "", .token = "bb"},
      {.app = "video", .device = "d-2", .token = "cc", .subscriber = "u"},
      {.app = "video", .device = "d-1", .token = "dd", .subscriber = "u", .locale = "fr"},
      {.app = "video", .device = "d-3", .token = "cc"},
  };
  const auto results = store_->put_devices(lines, 1000);
  ASSERT_TRUE(results);
  ASSERT_EQ(results->size(), 5u);
  EXPECT_EQ((*results)[0], Registered::kCreated);
  EXPECT_EQ(kind((*results)[1]), Error::Kind::kInvalid);
  EXPECT_EQ((*results)[2], Registered::kCreated);
  EXPECT_EQ((*results)[3], Registered::kUpdated);
  EXPECT_EQ((*results)[4], Registered::kCreated);
  EXPECT_EQ(store_->device("video", "d-1")->token, "dd");
  EXPECT_EQ(store_->device("video", "d-1")->locale, "fr");
  EXPECT_EQ(kind(store_->device("video", "d-2")), Error::Kind::kNotFound);
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 1u);
  EXPECT_EQ(store_->stats()->devices, 2u);
  EXPECT_EQ(store_->stats()->subscribers, 2u);
  EXPECT_TRUE(store_->put_devices({}, 1000)->empty());
}

TEST_P(StoreContract, KnowsASubscriberWhoHasNoDeviceYet) {
  EXPECT_EQ(store_->subscribe("video", "news", "ann", 1), true);
  EXPECT_EQ(store_->subscribe("video", "news", "ann", 1), false);
  EXPECT_EQ(store_->topic("video", "news")->subscribers, 1u);
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 0u);
  put({.device = "d-1", .token = "aa", .subscriber = "ann"});
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 1u);
  EXPECT_EQ(store_->unsubscribe("video", "news", "ann"), true);
  EXPECT_EQ(store_->unsubscribe("video", "news", "ann"), false);
  EXPECT_EQ(store_->unsubscribe("video", "nothing", "ann"), false);
  EXPECT_EQ(store_->unsubscribe("radio", "news", "ann"), false);
  EXPECT_EQ(store_->topic("video", "news")->subscribers, 0u);
  EXPECT_EQ(kind(store_->topic("video", "nothing")), Error::Kind::kNotFound);
}

TEST_P(StoreContract, ADeviceLeavesItsOwnTopicsAndHearsItsSubscribersStill) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  put({.device = "d-2", .token = "bb", .subscriber = "ann"});
  EXPECT_EQ(store_->subscribe_device("video", "sports", "d-1"), true);
  EXPECT_EQ(store_->subscribe_device("video", "sports", "d-1"), false);
  EXPECT_EQ(store_->topic("video", "sports")->devices[0], 1u);
  EXPECT_EQ(store_->unsubscribe_device("video", "sports", "d-1"), true);
  EXPECT_EQ(store_->unsubscribe_device("video", "sports", "d-1"), false);
  EXPECT_EQ(store_->unsubscribe_device("video", "nothing", "d-1"), false);
  EXPECT_EQ(store_->topic("video", "sports")->devices[0], 0u);
  EXPECT_EQ(store_->unsubscribe_device("video", "news", "d-1"), false);
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 2u);
  EXPECT_EQ(kind(store_->subscribe_device("video", "news", "d-3")), Error::Kind::kNotFound);
  EXPECT_EQ(kind(store_->unsubscribe_device("video", "news", "d-3")), Error::Kind::kNotFound);
  EXPECT_EQ(kind(store_->subscribe_device("radio", "news", "d-1")), Error::Kind::kNotFound);
}

TEST_P(StoreContract, AnAnonymousDeviceLeavesAndJoinsTheTopicsItRegisteredWith) {
  put({.device = "d-1", .token = "aa", .topics = {"news", "sports"}});
  put({.device = "d-2", .token = "bb", .topics = {"news"}});
  accept(to_topic(1));
  EXPECT_EQ(store_->subscribe_device("video", "news", "d-1"), false) << "it hears it already";
  EXPECT_EQ(store_->unsubscribe_device("video", "news", "d-1"), true);
  EXPECT_EQ(store_->unsubscribe_device("video", "news", "d-1"), false);
  EXPECT_EQ(store_->device("video", "d-1")->topics, Tokens{"sports"});
  EXPECT_EQ(store_->topic("video", "news")->subscribers, 1u);
  EXPECT_EQ(tokens(job(1)), Tokens{"bb"}) << "of an event that runs, too";
  EXPECT_EQ(store_->subscribe_device("video", "news", "d-1"), true);
  EXPECT_EQ(tokens(job(1)), Tokens{"bb"}) << "it came back after the event";
  accept(to_topic(2));
  EXPECT_EQ(tokens(job(2)), (Tokens{"aa", "bb"}));
  // Registered again with the topic it hears it twice, and leaves it at once.
  put({.device = "d-1", .token = "aa", .topics = {"news"}});
  EXPECT_EQ(store_->unsubscribe_device("video", "news", "d-1"), true);
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 1u);
  EXPECT_EQ(store_->unsubscribe_device("video", "sports", "d-1"), true);
  EXPECT_EQ(store_->device("video", "d-1")->topics, Tokens{}) << "it is there without any";
}

TEST_P(StoreContract, ErasesADeviceAndWhatHangsOnIt) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  put({.device = "d-2", .token = "bb", .topics = {"news", "sports"}});
  auto erased = store_->erase_device("video", "d-2");
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->devices, 1u);
  EXPECT_EQ(erased->subscriptions, 2u) << "an anonymous device is its own subscriber";
  erased = store_->erase_device("video", "d-1");
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->subscriptions, 0u) << "ann still hears it";
  EXPECT_EQ(store_->topic("video", "news")->subscribers, 1u);
  EXPECT_EQ(kind(store_->erase_device("video", "d-1")), Error::Kind::kNotFound);
  EXPECT_EQ(put({.device = "d-3", .token = "aa", .subscriber = "ann"}), Registered::kCreated);
  EXPECT_EQ(store_->device("video", "d-3")->topics, Tokens{"news"});
}

TEST_P(StoreContract, ErasesAPerson) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  put({.device = "d-2", .token = "bb", .subscriber = "ann", .topics = {"sports"}});
  put({.device = "d-3", .token = "cc", .subscriber = "bob", .topics = {"news"}});
  const auto erased = store_->erase_subscriber("video", "ann");
  ASSERT_TRUE(erased);
  EXPECT_EQ(erased->devices, 2u);
  EXPECT_EQ(erased->subscriptions, 2u);
  EXPECT_EQ(kind(store_->device("video", "d-1")), Error::Kind::kNotFound);
  EXPECT_EQ(kind(store_->erase_subscriber("video", "ann")), Error::Kind::kNotFound);
  EXPECT_EQ(store_->topic("video", "news")->devices[0], 1u);
  EXPECT_EQ(store_->stats()->devices, 1u);
  EXPECT_EQ(store_->stats()->subscribers, 1u);
  EXPECT_EQ(store_->stats()->topics, 2u);
}

// --- accepting
// ---------------------------------------------------------------------------------------

TEST_P(StoreContract, MakesAJobForEachPlatformOfTheAudience) {
  put({.device = "d-1", .token = "aa", .subscriber = "u", .topics = {"news"}, .locale = "de"});
  put({.device = "d-2", .token = "ff", .subscriber = "u", .platform = Platform::kFcm});
  NewEvent event = to_topic(1);
  event.priority = 1;
  const AcceptedEvent accepted = accept(event);
  EXPECT_FALSE(accepted.repeated);
  EXPECT_EQ(accepted.targeted, (PlatformCounts{1, 1, 0}));
  reopen();
  const auto jobs = store_->unfinished_jobs();
  ASSERT_TRUE(jobs);
  ASSERT_EQ(jobs->size(), 2u);
  const Job& first = jobs->front();
  EXPECT_EQ(first.key, job(1));
  EXPECT_EQ(first.app, "video");
  EXPECT_EQ(first.priority, 1);
  EXPECT_EQ(first.accepted_ms, 500);
  EXPECT_EQ(first.expires_ms, 90'000);
  EXPECT_EQ(first.state, EventState::kQueued);
  EXPECT_EQ(first.counters.targeted, 1u);
  EXPECT_EQ(first.cursor, 0u);
  const auto record = store_->event(event_id(1));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->content, "content");
  EXPECT_EQ(record->audience.topics, std::vector<std::string>{"news"});
  EXPECT_EQ(record->state, EventState::kQueued);
  EXPECT_EQ(record->jobs.size(), 2u);
  const auto devices = scan_all(*store_, job(1));
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].token, "aa");
  EXPECT_EQ(devices[0].locale, "de");
  EXPECT_EQ(tokens(job(1, Platform::kFcm)), Tokens{"ff"});
  EXPECT_EQ(kind(store_->scan(job(1, Platform::kWebPush))), Error::Kind::kNotFound);
  EXPECT_EQ(kind(store_->jobs(event_id(2))), Error::Kind::kNotFound);
  EXPECT_EQ(kind(store_->event(event_id(2))), Error::Kind::kNotFound);
}

TEST_P(StoreContract, CompletesAnEmptyAudienceAtOnce) {
  EXPECT_EQ(accept(to_topic(1)).targeted, (PlatformCounts{}));
  EXPECT_EQ(store_->event(event_id(1))->state, EventState::kCompleted);
  EXPECT_TRUE(store_->unfinished_jobs()->empty());
  EXPECT_TRUE(store_->jobs(event_id(1))->empty());
}

TEST_P(StoreContract, AnswersARepeatedPublishWithTheFirst) {
  put({.device = "d-1", .token = "aa", .topics = {"news"}});
  NewEvent event = to_topic(1);
  event.idempotency_key = std::string(kIdempotencyKeyBytesMax, 'k');
  event.body_digest[0] = 7;
  accept(event);
  put({.device = "d-2", .token = "bb", .topics = {"news"}});
  event.id = event_id(2);
  const AcceptedEvent again = accept(event);
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.id, event_id(1));
  EXPECT_EQ(again.targeted[0], 1u);
  EXPECT_EQ(store_->unfinished_jobs()->size(), 1u);
  event.body_digest[0] = 8;
  EXPECT_EQ(kind(store_->accept(event)), Error::Kind::kMismatch);
  event.app = "radio";
  EXPECT_FALSE(accept(event).repeated) << "keys are an app's own";
  event.app = "video";
  EXPECT_EQ(store_->forget_idempotency_keys(500), 0u);
  EXPECT_EQ(store_->forget_idempotency_keys(501), 2u);
  event.id = event_id(3);
  EXPECT_FALSE(accept(event).repeated);
}

TEST_P(StoreContract, TellsWhoDoesNotWaitForItWhatBecameOfAnEvent) {
  put({.device = "d-1", .token = "aa", .topics = {"news"}});
  std::vector<std::uint64_t> targeted;
  std::vector<Error::Kind> refused;
  constexpr std::uint32_t kEvents = 200;  // several commits of them
  for (std::uint32_t i = 1; i <= kEvents; ++i) {
    NewEvent event = to_topic(i);
    if (i % 50 == 0) event.app.clear();
    store_->accept(std::move(event), [&](Result<AcceptedEvent> accepted) {
      if (!accepted) return refused.push_back(accepted.error().kind);
      targeted.push_back(accepted->targeted[0]);
    });
  }
  ASSERT_TRUE(store_->check_writable()) << "which comes after them";
  EXPECT_EQ(targeted, std::vector<std::uint64_t>(kEvents - 4, 1));
  EXPECT_EQ(refused, std::vector(4, Error::Kind::kInvalid));
  reopen();
  EXPECT_EQ(store_->events({}, kEvents)->size(), kEvents - 4);
}

TEST_P(StoreContract, RefusesEventsBeyondTheirLimits) {
  NewEvent event = to_topic(1);
  event.content.assign(kContentBytesMax, 'c');
  accept(event);
  EXPECT_EQ(store_->event(event_id(1))->content, event.content);
  event.id = event_id(2);
  event.content.push_back('c');
  EXPECT_EQ(kind(store_->accept(event)), Error::Kind::kInvalid);
  event = to_topic(2);
  event.idempotency_key.assign(kIdempotencyKeyBytesMax + 1, 'k');
  EXPECT_EQ(kind(store_->accept(event)), Error::Kind::kInvalid);
  EXPECT_EQ(kind(store_->accept(to_topic(1))), Error::Kind::kInvalid) << "the id is taken";
  event = to_topic(2);
  event.audience = {};
  event.audience.devices.assign(kNamedAudienceMax + 1, "d-1");
  EXPECT_EQ(kind(store_->accept(event)), Error::Kind::kInvalid);
  event.audience.devices.pop_back();
  accept(event);
  EXPECT_EQ(store_->event(event_id(2))->audience_devices, kNamedAudienceMax);
}

TEST_P(StoreContract, ResolvesNamesToEachDeviceOnce) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann"});
  put({.device = "d-2", .token = "bb", .subscriber = "ann"});
  put({.device = "d-3", .token = "cc", .subscriber = "bob", .platform = Platform::kFcm});
  NewEvent event = to_topic(1);
  event.audience = {};
  event.audience.subscribers = {"ann", "bob", "ann", "eve"};
  EXPECT_EQ(accept(event).targeted, (PlatformCounts{2, 1, 0}));
  put({.device = "d-4", .token = "dd", .subscriber = "ann"});
  EXPECT_EQ(tokens(job(1)), (Tokens{"aa", "bb"})) << "a later device is not in it";
  EXPECT_EQ(tokens(job(1, Platform::kFcm)), Tokens{"cc"});
  event.id = event_id(2);
  event.audience = {};
  event.audience.devices = {"d-4", "d-1", "d-1", "d-9"};
  EXPECT_EQ(accept(event).targeted, (PlatformCounts{2, 0, 0}));
  EXPECT_EQ(tokens(job(2)), (Tokens{"aa", "dd"}));
  ASSERT_TRUE(store_->erase_device("video", "d-1"));
  EXPECT_EQ(tokens(job(2)), Tokens{"dd"});
  EXPECT_EQ(store_->event(event_id(2))->audience_devices, 4u);
}

TEST_P(StoreContract, ReadsANamedAudienceOfManyPages) {
  std::vector<std::string> names, expected;
  for (int i = 0; i < 9'000; ++i) {
    names.push_back("d-" + std::to_string(i));
    expected.push_back("t-" + std::to_string(i));
  }
  std::vector<DeviceRegistration> lines;
  for (std::size_t i = 0; i < names.size(); ++i) {
    lines.push_back({.app = "video", .device = names[i], .token = expected[i]});
  }
  ASSERT_TRUE(store_->put_devices(lines, 1));
  NewEvent event = to_topic(1);
  event.audience = {};
  event.audience.devices = names;
  EXPECT_EQ(accept(event).targeted[0], 9'000u);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(tokens(job(1)), expected);
  EXPECT_EQ(scan_all(*store_, job(1), 7).size(), 9'000u);
}

TEST_P(StoreContract, ListsEventsNewestFirst) {
  for (std::uint32_t i = 1; i <= 5; ++i) accept(to_topic(i));
  auto page = store_->events({}, 2);
  ASSERT_TRUE(page);
  ASSERT_EQ(page->size(), 2u);
  EXPECT_EQ((*page)[0].id, event_id(5));
  EXPECT_EQ((*page)[0].content, "");
  page = store_->events((*page)[1].id, 10);
  ASSERT_EQ(page->size(), 3u);
  EXPECT_EQ(page->front().id, event_id(3));
}

// --- the frozen audience
// -------------------------------------------------------------------------------

TEST_P(StoreContract, DoesNotReachWhoSubscribesLater) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  store_->subscribe("video", "news", "bob", 1).value();
  accept(to_topic(1));
  put({.device = "d-2", .token = "bb", .subscriber = "eve", .topics = {"news"}});
  put({.device = "d-3", .token = "cc", .subscriber = "ann"});
  put({.device = "d-4", .token = "dd", .subscriber = "bob"});
  EXPECT_EQ(tokens(job(1)), Tokens{"aa"});
  EXPECT_EQ(accept(to_topic(2)).targeted[0], 4u);
  EXPECT_EQ(tokens(job(2)).size(), 4u);
  reopen();
  EXPECT_EQ(tokens(job(1)), Tokens{"aa"});
}

TEST_P(StoreContract, DoesNotReachWhoUnsubscribedEvenIfTheyComeBack) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  put({.device = "d-2", .token = "bb", .subscriber = "bob", .topics = {"news"}});
  accept(to_topic(1));
  ASSERT_EQ(store_->unsubscribe("video", "news", "ann"), true);
  EXPECT_EQ(tokens(job(1)), Tokens{"bb"});
  ASSERT_EQ(store_->subscribe("video", "news", "ann", 1), true);
  EXPECT_EQ(tokens(job(1)), Tokens{"bb"});
  ASSERT_TRUE(store_->erase_device("video", "d-2"));
  put({.device = "d-2", .token = "bb", .subscriber = "bob"});
  EXPECT_EQ(tokens(job(1)), Tokens{});
  accept(to_topic(2));
  EXPECT_EQ(tokens(job(2)), (Tokens{"aa", "bb"}));
}

TEST_P(StoreContract, FollowsADeviceToItsNewToken) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  accept(to_topic(1));
  const auto before = scan_all(*store_, job(1));
  put({.device = "d-1", .token = "bb", .subscriber = "ann"});
  const auto after = scan_all(*store_, job(1));
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after[0].token, "bb");
  EXPECT_EQ(after[0].position, before[0].position);
}

TEST_P(StoreContract, TakesADeviceThatChangesItsPlatformOutOfRunningAudiences) {
  put({.device = "d-1", .token = "aa", .subscriber = "ann", .topics = {"news"}});
  put({.device = "d-2", .token = "ff", .subscriber = "ann", .platform = Platform::kFcm});
  accept(to_topic(1));
  put({.device = "d-1", .token = "gg", .subscriber = "ann", .platform = Platform::kFcm});
  EXPECT_EQ(tokens(job(1)), Tokens{});
  EXPECT_EQ(tokens(job(1, Platform::kFcm)), Tokens{"ff"});
  put({.device = "d-1", .token = "aa", .subscriber = "ann"});
  EXPECT_EQ(tokens(job(1)), Tokens{}) << "and it does not come back";
  EXPECT_EQ(accept(to_topic(2)).targeted, (PlatformCounts{1, 1, 0}));
  EXPECT_EQ(tokens(job(2)), Tokens{"aa"});
}

TEST_P(StoreContract, NeverGivesAPositionToAnotherDeviceWhileAnEventCouldNameIt) {
  put({.device = "stays", .token = "zz", .subscriber = "ann", .topics = {"news"}});
  put({.device = "d", .token = "t", .subscriber = "ann"});
  accept(to_topic(1));
  const auto before = scan_all(*store_, job(1));
  ASSERT_EQ(before.size(), 2u);
  int created = 0;
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(i > 0 || store_->erase_device("video", "d"));
    const auto put_again =
        put({.device = "d", .token = "t" + std::to_string(i), .subscriber = "ann"});
    if (!put_again) {
      EXPECT_EQ(put_again.error().kind, Error::Kind::kFull);
      break;
    }
    ++created;
    ASSERT_TRUE(store_->erase_device("video", "d"));
  }
  EXPECT_LT(created, 256);
  EXPECT_EQ(tokens(job(1)), Tokens{"zz"});
  Checkpoint done{.job = job(1),
                  .cursor = before.back().position,
                  .exhausted = true,
                  .state = EventState::kCompleted};
  ASSERT_TRUE(record_now(*store_, {done}));
  EXPECT_EQ(put({.device = "d", .token = "t", .subscriber = "ann"}), Registered::kCreated);
}

TEST_P(StoreContract, ReadsPagesThatMoveOnFromAnyPosition) {
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    put({.device = "d-" + n,
         .token = "t-" + n,
         .subscriber = "u-" + std::to_string(i % 13),
         .topics = {"news"},
         .platform = i % 3 == 0 ? Platform::kFcm : Platform::kApns});
  }
  accept(to_topic(1));
  const auto all = scan_all(*store_, job(1));
  EXPECT_EQ(all.size(), 26u);
  for (std::size_t limit = 1; limit < 30; ++limit) EXPECT_EQ(scan_all(*store_, job(1), limit), all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto rest = scan_all(*store_, job(1), 3, all[i].position);
    EXPECT_TRUE(
        std::equal(rest.begin(), rest.end(), all.begin() + static_cast<long>(i) + 1, all.end()));
  }
}

// --- recording
// -------------------------------------------------------------------------------------------

class Recording : public StoreContract {
 protected:
  void SetUp() override {
    for (int i = 0; i < 10; ++i) {
      const std::string n = std::to_string(i);
      put({.device = "d-" + n, .token = "a" + n, .subscriber = "u-" + n, .topics = {"news"}});
    }
    accept(to_topic(1));
    devices_ = scan_all(*store_, job(1));
    ASSERT_EQ(devices_.size(), 10u);
  }
  Checkpoint checkpoint(std::size_t through) {
    return {.job = job(1), .cursor = through ? devices_[through - 1].position : 0};
  }
  Job stored() {
    const auto jobs = store_->jobs(event_id(1));
    EXPECT_TRUE(jobs && jobs->size() == 1);
    return jobs->front();
  }
  std::vector<ScannedDevice> devices_;
};

TEST_P(Recording, AddsUpAndComesBackAfterARestart) {
  Checkpoint first = checkpoint(3);
  first.added.accepted = 2;
  first.added.rejected = 2;
  first.beyond = {devices_[5].position};
  first.reasons = {{"BadDeviceToken", 1}, {"Unregistered", 1}};
  first.failures = {{.position = devices_[0].position,
                     .outcome = Failure::Outcome::kRejected,
                     .reason = "BadDeviceToken",
                     .attempts = 1,
                     .at_ms = 700}};
  ASSERT_TRUE(record_now(*store_, {first}, 700));
  reopen();
  EXPECT_EQ(stored().cursor, devices_[2].position);
  EXPECT_EQ(stored().beyond, std::vector{devices_[5].position});
  EXPECT_EQ(stored().counters.accepted, 2u);
  EXPECT_EQ(stored().counters.pending(), 6u);
  EXPECT_EQ(stored().state, EventState::kRunning);
  Checkpoint second = checkpoint(10);
  second.added.accepted = 6;
  second.reasons = {{"Unregistered", 2}};
  second.exhausted = true;
  second.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {second}, 900));
  const auto event = store_->event(event_id(1));
  EXPECT_EQ(event->state, EventState::kCompleted);
  EXPECT_EQ(event->first_ms, 700);
  EXPECT_EQ(event->last_ms, 900);
  EXPECT_EQ(event->settled_ms, (std::array<std::int64_t, 4>{900, 900, 900, 900}));
  ASSERT_EQ(event->reasons.size(), 2u);
  EXPECT_EQ(event->reasons[1].reason, "Unregistered");
  EXPECT_EQ(event->reasons[1].count, 3u);
  EXPECT_TRUE(store_->unfinished_jobs()->empty());
}

TEST_P(Recording, MarksWhenHalfAndNearlyAllWereSettled) {
  for (int i = 1; i <= 10; ++i) {
    Checkpoint step = checkpoint(static_cast<std::size_t>(i));
    step.added.accepted = 1;
    ASSERT_TRUE(record_now(*store_, {step}, 1000 + i));
  }
  EXPECT_EQ(store_->event(event_id(1))->settled_ms,
            (std::array<std::int64_t, 4>{1005, 1010, 1010, 1010}));
}

TEST_P(Recording, CountsWhoLeftTheAudienceAsSuppressed) {
  ASSERT_TRUE(store_->erase_subscriber("video", "u-7"));
  ASSERT_EQ(store_->unsubscribe("video", "news", "u-8"), true);
  Checkpoint last = checkpoint(10);
  last.added.accepted = 8;
  last.exhausted = true;
  last.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {last}));
  EXPECT_EQ(stored().counters.suppressed, 2u);
  EXPECT_EQ(stored().counters.pending(), 0u);
  ASSERT_EQ(store_->event(event_id(1))->reasons.size(), 1u);
  EXPECT_EQ(store_->event(event_id(1))->reasons[0].reason, "LeftAudience");
  EXPECT_EQ(store_->event(event_id(1))->reasons[0].count, 2u);
}

TEST_P(Recording, RefusesWhatCannotBeTrueAndAppliesNothing) {
  Checkpoint fine = checkpoint(4);
  fine.added.accepted = 4;
  ASSERT_TRUE(record_now(*store_, {fine}));
  const auto refused = [&](Checkpoint bad) {
    Checkpoint good = checkpoint(5);
    good.added.accepted = 1;
    EXPECT_EQ(kind(record_now(*store_, {good, std::move(bad)})), Error::Kind::kInvalid);
    EXPECT_EQ(stored().counters.accepted, 4u);
    EXPECT_EQ(stored().cursor, devices_[3].position);
    EXPECT_EQ(stored().retries, 0u);
  };
  Checkpoint bad = checkpoint(10);
  bad.added.accepted = 6;
  refused(bad);
  bad.added = {.rejected = ~std::uint64_t{0}, .expired = 2};
  refused(bad);
  bad.added = {.targeted = 1};
  refused(bad);
  bad = checkpoint(3);
  refused(bad);
  bad = checkpoint(6);
  bad.beyond = {devices_[5].position};
  refused(bad);
  bad.beyond = {devices_[8].position, devices_[7].position};
  refused(bad);
  bad = checkpoint(10);
  bad.state = EventState::kCompleted;
  refused(bad);
  bad.exhausted = true;
  bad.retries = {{.position = devices_[9].position, .due_ms = 1, .attempts = 1, .reason = "r"}};
  refused(bad);
  bad = checkpoint(10);
  bad.job = job(2);
  EXPECT_EQ(kind(record_now(*store_, {bad})), Error::Kind::kNotFound);
}

TEST_P(Recording, RefusesToTouchAFinishedJob) {
  Checkpoint last = checkpoint(10);
  last.exhausted = true;
  last.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {last}));
  last.state = EventState::kRunning;
  EXPECT_EQ(kind(record_now(*store_, {last})), Error::Kind::kInvalid);
}

TEST_P(Recording, CancelsWhatIsPending) {
  Checkpoint last = checkpoint(2);
  last.added.accepted = 1;
  last.retries = {{.position = devices_[1].position, .due_ms = 1, .attempts = 1, .reason = "r"}};
  ASSERT_TRUE(record_now(*store_, {last}));
  Checkpoint cancel = checkpoint(2);
  cancel.state = EventState::kCancelled;
  ASSERT_TRUE(record_now(*store_, {cancel}));
  EXPECT_EQ(stored().counters.cancelled, 9u);
  EXPECT_EQ(stored().retries, 0u);
  EXPECT_EQ(store_->event(event_id(1))->state, EventState::kCancelled);
}

TEST_P(Recording, HandsOutRetriesAsTheyComeDue) {
  Checkpoint step = checkpoint(4);
  for (std::size_t i = 0; i < 4; ++i) {
    step.retries.push_back({.position = devices_[i].position,
                            .due_ms = 400 - 100 * static_cast<std::int64_t>(i),
                            .attempts = 1,
                            .reason = "TooManyRequests"});
  }
  ASSERT_TRUE(record_now(*store_, {step}));
  EXPECT_EQ(stored().retries, 4u);
  auto found = store_->due_retries(job(1), 250, 10, {});
  ASSERT_TRUE(found);
  ASSERT_EQ(found->due.size(), 2u);
  EXPECT_EQ(found->due[0].retry.position, devices_[3].position);
  EXPECT_EQ(found->due[0].retry.reason, "TooManyRequests");
  EXPECT_EQ(found->due[0].token, "a3");
  EXPECT_EQ(found->due[0].locale, 0) << "none was given";
  EXPECT_EQ(found->next_due_ms, 300);
  found = store_->due_retries(job(1), 250, 1, {});
  EXPECT_EQ(found->due.size(), 1u);
  EXPECT_EQ(found->next_due_ms, 200);
  const std::vector<DevicePosition> out = {devices_[2].position, devices_[3].position};
  found = store_->due_retries(job(1), 1000, 10, out);
  EXPECT_EQ(found->due.size(), 2u);
  EXPECT_EQ(found->next_due_ms, 0);

  Checkpoint next = checkpoint(4);
  next.retries = {{.position = devices_[3].position, .due_ms = 900, .attempts = 2, .reason = "x"}};
  next.retries_done = {devices_[2].position};
  next.added.accepted = 1;
  ASSERT_TRUE(record_now(*store_, {next}));
  EXPECT_EQ(stored().retries, 3u);
  found = store_->due_retries(job(1), 1000, 10, {});
  ASSERT_EQ(found->due.size(), 3u);
  EXPECT_EQ(found->due[2].retry.attempts, 2u);
}

TEST_P(Recording, ARetryThatTheSameCheckpointInsertsAndSettlesIsSettled) {
  Checkpoint step = checkpoint(4);
  step.retries = {{.position = devices_[3].position, .due_ms = 1, .attempts = 0, .reason = "late"}};
  step.retries_done = {devices_[3].position};
  step.added.accepted = 1;
  ASSERT_TRUE(record_now(*store_, {step}));
  EXPECT_EQ(stored().retries, 0u);
  EXPECT_TRUE(store_->due_retries(job(1), 1000, 10, {})->due.empty());
}

TEST_P(Recording, HandsOutARetryWithoutATokenWhenTheDeviceLeft) {
  Checkpoint step = checkpoint(5);
  for (std::size_t i = 0; i < 5; ++i) {
    step.retries.push_back(
        {.position = devices_[i].position, .due_ms = 1, .attempts = 1, .reason = "r"});
  }
  ASSERT_TRUE(record_now(*store_, {step}));
  ASSERT_TRUE(store_->erase_device("video", "d-0"));
  ASSERT_EQ(store_->unsubscribe("video", "news", "u-1"), true);
  put({.device = "d-2", .token = "ff", .subscriber = "u-2", .platform = Platform::kFcm});
  put({.device = "d-3", .token = "new", .subscriber = "u-3"});
  Tokens found;
  const auto retries = store_->due_retries(job(1), 5, 10, {});
  ASSERT_TRUE(retries);
  for (const auto& due : retries->due) found.push_back(due.token);
  EXPECT_EQ(found, (Tokens{"", "", "", "new", "a4"}));
}

TEST_P(Recording, ARetryKnowsTheLocaleThatItsDeviceHasNow) {
  put({.device = "d-2", .token = "a2", .subscriber = "u-2", .locale = "de-AT"});
  Checkpoint step = checkpoint(5);
  for (const std::size_t i : {2u, 3u}) {
    step.retries.push_back(
        {.position = devices_[i].position, .due_ms = 1, .attempts = 1, .reason = "r"});
  }
  ASSERT_TRUE(record_now(*store_, {step}));
  auto scan = store_->scan(job(1));
  ASSERT_TRUE(scan);
  const auto locales = [&] {
    std::vector<std::string> texts;
    const auto retries = store_->due_retries(job(1), 5, 10, {});
    for (const auto& due : retries->due) texts.emplace_back((*scan)->locale(due.locale).value());
    return texts;
  };
  EXPECT_EQ(locales(), (std::vector<std::string>{"de-AT", ""}));
  put({.device = "d-3", .token = "a3", .subscriber = "u-3", .locale = "fr"});
  EXPECT_EQ(locales(), (std::vector<std::string>{"de-AT", "fr"})) << "one that came after the scan";
}

TEST_P(Recording, RemovesADeadTokenOnlyIfItIsStillTheOne) {
  put({.device = "d-1", .token = "renewed", .subscriber = "u-1", .now_ms = 5000});
  put({.device = "d-2", .token = "a2x", .subscriber = "u-2", .now_ms = 6000});
  put({.device = "d-3", .token = "a3", .subscriber = "u-3", .platform = Platform::kFcm});
  Checkpoint step = checkpoint(5);
  step.removals = {{devices_[0].position, "a0", 1001},   // dead after it was registered
                   {devices_[1].position, "a1", 9000},   // has a new token
                   {devices_[2].position, "a2x", 6000},  // registered again since
                   {devices_[3].position, "a3", 9000},   // no longer on this platform
                   {devices_[4].position, "a4", 1000}};  // not before
  ASSERT_TRUE(record_now(*store_, {step}));
  EXPECT_EQ(kind(store_->device("video", "d-0")), Error::Kind::kNotFound);
  for (const char* kept : {"d-1", "d-2", "d-3", "d-4"}) {
    EXPECT_TRUE(store_->device("video", kept)) << kept;
  }
  EXPECT_EQ(store_->topic("video", "news")->subscribers, 10u);
  EXPECT_EQ(store_->topic("video", "news")->devices, (PlatformCounts{8, 1, 0}));
}

TEST_P(Recording, CallsAnEventFinishedWhenAllItsJobsAre) {
  put({.device = "f", .token = "f", .topics = {"news"}, .platform = Platform::kFcm});
  accept(to_topic(2));
  Checkpoint apns{.job = job(2), .exhausted = true, .state = EventState::kCompleted};
  ASSERT_TRUE(record_now(*store_, {apns}));
  EXPECT_EQ(store_->event(event_id(2))->state, EventState::kRunning);
  Checkpoint fcm{.job = job(2, Platform::kFcm), .state = EventState::kPaused};
  ASSERT_TRUE(record_now(*store_, {fcm}));
  EXPECT_EQ(store_->event(event_id(2))->state, EventState::kPaused);
  fcm.exhausted = true;
  fcm.state = EventState::kCompleted;
  ASSERT_TRUE(record_now(*store_, {fcm}));
  EXPECT_EQ(store_->event(event_id(2))->state, EventState::kCompleted);
  EXPECT_EQ(store_->unfinished_jobs()->size(), 1u);
}

// --- the rest
// --------------------------------------------------------------------------------------------

TEST_P(StoreContract, KeepsKeysUnderTheirNames) {
  ApiKey key{.name = "ci", .hash = {1, 2, 3}, .scopes = 5, .created_ms = 10};
  ASSERT_TRUE(store_->put_key(key));
  EXPECT_EQ(kind(store_->put_key(key)), Error::Kind::kInvalid);
  reopen();
  ASSERT_TRUE(store_->revoke_key("ci", 99));
  EXPECT_EQ(kind(store_->revoke_key("cd", 99)), Error::Kind::kNotFound);
  const auto keys = store_->keys();
  ASSERT_EQ(keys->size(), 1u);
  EXPECT_EQ(keys->front().name, "ci");
  EXPECT_EQ(keys->front().hash, key.hash);
  EXPECT_EQ(keys->front().scopes, 5u);
  EXPECT_EQ(keys->front().revoked_ms, 99);
}

TEST_P(StoreContract, ProvesThatItCanWrite) {
  EXPECT_TRUE(store_->check_writable());
}

TEST_P(StoreContract, LetsNeighboursShareACommitAndFailAlone) {
  constexpr int kNeighbours = 16, kEach = 20;
  std::vector<std::thread> threads;
  for (int t = 0; t < kNeighbours; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string name = std::to_string(t) + "-" + std::to_string(i);
        EXPECT_EQ(put({.device = "d-" + name, .token = "t-" + name, .topics = {"news"}}),
                  Registered::kCreated);
        EXPECT_EQ(kind(store_->erase_device("video", "nobody")), Error::Kind::kNotFound);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store_->topic("video", "news")->devices[0], std::uint64_t{kNeighbours * kEach});
  const auto stats = store_->stats();
  EXPECT_GT(stats->committed_requests, stats->commits) << "nobody shared a commit";
}

INSTANTIATE_TEST_SUITE_P(Implementations, StoreContract, testing::Values(sqlite_factory()),
                         [](const auto& implementation) { return implementation.param.name; });
INSTANTIATE_TEST_SUITE_P(Implementations, Recording, testing::Values(sqlite_factory()),
                         [](const auto& implementation) { return implementation.param.name; });

}  // namespace
}  // namespace carillon::store
