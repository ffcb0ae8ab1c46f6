#include "providers/webpush/webpush_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "providers/auth/base64url.h"
#include "providers/auth/token_shelf.h"
#include "tests/providers/push_batches.h"
#include "tests/providers/recording_sink.h"
#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server.h"
#include "tests/providers/webpush/test_browser.h"

namespace carillon::push::webpush_provider_test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::eventually;
using test::hello;
using test::RecordingSink;
using test::ServerReply;
using test::ServerRequest;
using test::TestBrowser;
using test::TestCredentials;
using test::TestServer;
using testing::Contains;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ServerReply created(const ServerRequest&) {
  return ServerReply::error(201, "");
}

json claims_of(const ServerRequest& request) {
  const std::string& header = request.headers.at("authorization");
  EXPECT_TRUE(header.starts_with("vapid t="));
  const auto jwt = test::split_jwt(header.substr(8, header.find(',') - 8));
  EXPECT_TRUE(test::verify_es256_raw(TestCredentials::shared().apns_public_pem(), jwt.signed_text,
                                     jwt.signature));
  return json::parse(jwt.claims);
}

// Keys take a while: tests that do not decrypt share these.
const TestBrowser& some_browser() {
  static const TestBrowser browser;
  return browser;
}

class WebPushProviderTest : public testing::Test {
 protected:
  using Handler = std::function<ServerReply(const ServerRequest&)>;

  static std::unique_ptr<TestServer> service(Handler handler = created) {
    return std::make_unique<TestServer>(
        TestServer::Options{.streams_max = 100, .handler = std::move(handler)});
  }

  WebPushConfig config(const std::vector<const TestServer*>& services) {
    WebPushConfig config;
    config.vapid_key_file = TestCredentials::shared().apns_key_file();
    config.subject = "mailto:push@example.com";
    config.origins.clear();
    for (const TestServer* one : services) config.origins.push_back(one->url().substr(8));
    config.allow_private_addresses = true;
    config.ca_file = TestCredentials::shared().ca_file();
    config.encryption_threads = 2;
    config.queued_max = 20s;
    return config;
  }

  void connect(WebPushConfig config) {
    auto made = make_webpush_provider(std::move(config), sink, loop);
    ASSERT_TRUE(made.has_value()) << made.error().front();
    provider = std::move(*made);
  }

  void submit(const std::vector<std::string>& tokens, std::uint64_t first_tag = 1,
              bool urgent = false) {
    PushBatch batch{.message = test::render_shared(*provider, hello()), .urgent = urgent};
    for (const std::string& token : tokens) {
      const std::uint64_t tag = first_tag + batch.targets.size();
      batch.targets.push_back({.tag = tag,
                               .id = test::id_of(tag),
                               .token_offset = static_cast<std::uint32_t>(batch.tokens.size()),
                               .token_length = static_cast<std::uint32_t>(token.size())});
      batch.tokens += token;
    }
    provider->submit(std::move(batch));
  }

  static std::vector<std::string> tokens_at(const std::string& url, std::size_t count) {
    std::vector<std::string> tokens;
    for (std::size_t i = 0; i < count; ++i) {
      tokens.push_back(some_browser().token(url + "/push/" + std::to_string(i)));
    }
    return tokens;
  }

  Verdict verdict_of(std::uint64_t tag, const std::string& token) {
    submit({token}, tag);
    Verdict found;
    EXPECT_TRUE(eventually([&] {
      for (const Verdict& verdict : sink.verdicts()) {
        if (verdict.tag == tag) {
          found = verdict;
          return true;
        }
      }
      return false;
    }));
    return found;
  }

  EventLoop loop;
  RecordingSink sink;
  std::unique_ptr<Provider> provider;
};

TEST_F(WebPushProviderTest, SendsEachBrowserWhatItAloneCanRead) {
  const auto server = service();
  connect(config({server.get()}));
  std::vector<TestBrowser> browsers(3);
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < browsers.size(); ++i) {
    tokens.push_back(browsers[i].token(server->url() + "/push/" + std::to_string(i) + "?x=1"));
  }
  submit(tokens);
  const auto verdicts = sink.wait_for(3);
  ASSERT_THAT(verdicts, SizeIs(3));
  EXPECT_THAT(verdicts, Each(Field(&Verdict::kind, VerdictKind::kAccepted)));
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(3));
  for (const ServerRequest& request : requests) {
    const std::string& path = request.headers.at(":path");
    const auto index = static_cast<std::size_t>(path.at(6) - '0');
    EXPECT_EQ(path, "/push/" + std::to_string(index) + "?x=1");
    EXPECT_EQ(request.headers.at(":method"), "POST");
    EXPECT_EQ(request.headers.at("content-encoding"), "aes128gcm");
    EXPECT_EQ(request.headers.at("urgency"), "normal");
    EXPECT_EQ(request.headers.at("topic").size(), 32u);
    EXPECT_TRUE(request.headers.contains("ttl"));
    const auto text = browsers[index].open(request.body);
    ASSERT_TRUE(text.has_value());
    EXPECT_EQ(json::parse(*text)["event"], test::kEventId);
    EXPECT_FALSE(browsers[(index + 1) % 3].open(request.body).has_value());
    EXPECT_EQ(claims_of(request)["aud"], server->url());
    EXPECT_EQ(claims_of(request)["sub"], "mailto:push@example.com");
  }
}

TEST_F(WebPushProviderTest, GoesToEachServiceWithATokenOfItsOwn) {
  const auto one = service();
  const auto other = service();
  connect(config({one.get(), other.get()}));
  auto tokens = tokens_at(one->url(), 40);
  for (const auto& token : tokens_at(other->url(), 40)) tokens.push_back(token);
  std::shuffle(tokens.begin(), tokens.end(), std::mt19937(1));
  submit(tokens);
  EXPECT_THAT(sink.wait_for(80), Each(Field(&Verdict::kind, VerdictKind::kAccepted)));
  for (const auto* server : {one.get(), other.get()}) {
    const auto requests = server->requests();
    ASSERT_THAT(requests, SizeIs(40));
    EXPECT_EQ(claims_of(requests.front())["aud"], server->url());
    EXPECT_EQ(requests.front().headers.at("authorization"),
              requests.back().headers.at("authorization"));
  }
}

TEST_F(WebPushProviderTest, CallsNobodyWhoIsNotOnTheList) {
  const auto listed = service();
  const auto other = service();
  connect(config({listed.get()}));
  const Verdict verdict = verdict_of(1, some_browser().token(other->url() + "/push"));
  EXPECT_EQ(verdict.kind, VerdictKind::kNotificationRefused);
  EXPECT_EQ(verdict.reason, "OriginRefused");
  EXPECT_EQ(verdict_of(2, some_browser().token(listed->url() + "/push")).kind,
            VerdictKind::kAccepted);
  EXPECT_EQ(other->accepted(), 0);
}

TEST_F(WebPushProviderTest, ConnectsToNoPrivateAddressUnlessItIsAllowedTo) {
  const auto server = service();
  auto careful = config({server.get()});
  careful.allow_private_addresses = false;
  careful.queued_max = 50ms;
  connect(careful);
  const Verdict verdict = verdict_of(1, some_browser().token(server->url() + "/push"));
  EXPECT_EQ(verdict.kind, VerdictKind::kNotSent);
  EXPECT_EQ(verdict.reason, "NoConnection");
  // The addresses may be known later than the request waited.
  EXPECT_TRUE(eventually([&] {
    return provider->health().last_error.find("resolves to private addresses alone") !=
           std::string::npos;
  })) << provider->health().last_error;
  EXPECT_EQ(server->accepted(), 0);
}

TEST_F(WebPushProviderTest, FollowsNoRedirect) {
  const auto target = service();
  const auto server = service([&](const ServerRequest&) {
    return ServerReply{.status = 307, .headers = {{"location", target->url() + "/push"}}};
  });
  connect(config({server.get(), target.get()}));
  const Verdict verdict = verdict_of(1, some_browser().token(server->url() + "/push"));
  EXPECT_EQ(verdict.kind, VerdictKind::kUnavailable);
  EXPECT_EQ(verdict.reason, "Status307");
  EXPECT_EQ(target->accepted(), 0);
}

TEST_F(WebPushProviderTest, TellsOfTokensThatAreNoSubscription) {
  const auto server = service();
  connect(config({server.get()}));
  std::string off_the_curve = some_browser().token(server->url() + "/push");
  char& letter = off_the_curve[off_the_curve.find(' ') + 20];
  letter = letter == 'A' ? 'B' : 'A';
  submit({"", "abc", off_the_curve, some_browser().token(server->url() + "/push")});
  std::map<std::uint64_t, Verdict> verdicts;
  for (const Verdict& verdict : sink.wait_for(4)) verdicts[verdict.tag] = verdict;
  for (const std::uint64_t tag : {1u, 2u, 3u}) {
    EXPECT_EQ(verdicts[tag].kind, VerdictKind::kTokenUnusable) << tag;
    EXPECT_EQ(verdicts[tag].reason, "MalformedToken") << tag;
  }
  EXPECT_EQ(verdicts[4].kind, VerdictKind::kAccepted);
}

TEST_F(WebPushProviderTest, PassesOnWhatAServiceSays) {
  const auto server = service([](const ServerRequest& request) {
    if (request.headers.at(":path") == "/gone") return ServerReply::error(410, "");
    if (request.headers.at(":path") == "/busy") {
      return ServerReply{.status = 429, .headers = {{"retry-after", "7"}}};
    }
    return ServerReply{.status = 200, .headers = {{"x-wns-status", "dropped"}}};
  });
  connect(config({server.get()}));
  EXPECT_EQ(verdict_of(1, some_browser().token(server->url() + "/gone")).kind,
            VerdictKind::kTokenDead);
  const Verdict busy = verdict_of(2, some_browser().token(server->url() + "/busy"));
  EXPECT_EQ(busy.kind, VerdictKind::kThrottled);
  EXPECT_EQ(busy.retry_after, 7s);
  EXPECT_EQ(verdict_of(3, some_browser().token(server->url() + "/wns")).reason, "dropped");
}

TEST_F(WebPushProviderTest, BlamesItsKeyUntilAnyServiceTakesItAndTheSubscriptionAfterItsOwnDid) {
  std::atomic<bool> takes{false};
  const auto server = service([&](const ServerRequest& request) {
    const bool odd_one = request.headers.at(":path") == "/odd";
    return takes && !odd_one ? ServerReply::error(201, "")
                             : ServerReply::error(403, R"({"reason":"BadJwtToken"})");
  });
  const auto other = service();
  connect(config({server.get(), other.get()}));
  const std::string good = some_browser().token(server->url() + "/good");
  EXPECT_EQ(verdict_of(1, good).kind, VerdictKind::kCredentialRefused);
  EXPECT_THAT(provider->health().last_error, HasSubstr("refused the VAPID token: BadJwtToken"));
  EXPECT_EQ(verdict_of(2, some_browser().token(other->url() + "/x")).kind, VerdictKind::kAccepted);
  EXPECT_EQ(verdict_of(3, good).kind, VerdictKind::kUnavailable) << "the other one goes on";
  takes = true;
  EXPECT_EQ(verdict_of(4, good).kind, VerdictKind::kAccepted);
  EXPECT_EQ(verdict_of(5, some_browser().token(server->url() + "/odd")).kind,
            VerdictKind::kTokenUnusable);
}

TEST_F(WebPushProviderTest, RenewsARefusedTokenThatIsAnHourOld) {
  std::atomic<std::int64_t> now{1'900'000'000};
  const auto server = service([](const ServerRequest& request) {
    const auto ends = claims_of(request)["exp"].get<std::int64_t>();
    return ends == 1'900'000'000 + 12 * 3600 ? ServerReply::error(401, "") : created(request);
  });
  auto timed = config({server.get()});
  timed.calendar = [&now] {
    return std::chrono::system_clock::time_point(std::chrono::seconds(now));
  };
  connect(timed);
  const std::string token = some_browser().token(server->url() + "/push");
  EXPECT_EQ(verdict_of(1, token).kind, VerdictKind::kCredentialRefused);
  now += 3600;
  EXPECT_EQ(verdict_of(2, token).kind, VerdictKind::kNotSent);
  EXPECT_EQ(verdict_of(3, token).kind, VerdictKind::kAccepted);
}

TEST_F(WebPushProviderTest, ClosesTheWayToAServiceThatIsNotUsedAndOpensItAgain) {
  const auto server = service();
  auto forgetful = config({server.get()});
  forgetful.origin_idle = 40ms;
  connect(forgetful);
  const std::string token = some_browser().token(server->url() + "/push");
  EXPECT_EQ(verdict_of(1, token).kind, VerdictKind::kAccepted);
  EXPECT_TRUE(eventually([&] { return server->alive() == 0; }));
  EXPECT_TRUE(server->saw_goaway());
  EXPECT_EQ(verdict_of(2, token).kind, VerdictKind::kAccepted);
  const auto requests = server->requests();
  ASSERT_THAT(requests, SizeIs(2));
  EXPECT_EQ(requests[0].headers.at("authorization"), requests[1].headers.at("authorization"))
      << "Apple asks not to make one more often than hourly";
}

TEST_F(WebPushProviderTest, KeepsTheTokenOfAServiceThatMakesPlaceForAnotherOrHasANewProvider) {
  const auto first = service(), second = service();
  auto narrow = config({first.get(), second.get()});
  narrow.origins_max = 1;
  narrow.encryption_threads = 1;  // which has let go of a channel when it takes the next request
  const auto tokens = std::make_shared<auth::TokenShelf>();
  std::uint64_t tag = 0;
  for (int round = 0; round < 2; ++round) {
    // As a changed section has it: the new one is there before the old one goes.
    provider = make_webpush_provider(narrow, sink, loop, tokens).value();
    for (const auto* one : {first.get(), second.get(), first.get()}) {
      EXPECT_EQ(verdict_of(++tag, some_browser().token(one->url() + "/push")).kind,
                VerdictKind::kAccepted);
    }
  }
  for (const auto* one : {first.get(), second.get()}) {
    std::set<std::string> seen;
    for (const auto& request : one->requests()) seen.insert(request.headers.at("authorization"));
    EXPECT_THAT(seen, SizeIs(1));
    EXPECT_GT(one->accepted(), 1);
  }
}

TEST_F(WebPushProviderTest, HasNoMoreServicesAtOnceThanItMay) {
  const auto slow = service([](const ServerRequest&) { return ServerReply::silence(); });
  const auto other = service();
  auto narrow = config({slow.get(), other.get()});
  narrow.origins_max = 1;
  narrow.encryption_threads = 1;  // which has let go of a channel when it takes the next request
  connect(narrow);
  submit({some_browser().token(slow->url() + "/push")}, 1);
  ASSERT_TRUE(eventually([&] { return slow->requests().size() == 1; }));
  const Verdict refused = verdict_of(2, some_browser().token(other->url() + "/push"));
  EXPECT_EQ(refused.kind, VerdictKind::kNotSent);
  EXPECT_EQ(refused.reason, "TooManyOrigins");
  EXPECT_EQ(other->accepted(), 0);
  slow->each_session([](test::ServerSession& session) {
    const auto unanswered = session.unanswered;
    for (const auto& [id, request] : unanswered) session.reply(id, ServerReply::error(201, ""));
  });
  ASSERT_THAT(sink.wait_for(2), SizeIs(2)) << "the slow one has answered at last";
  EXPECT_EQ(verdict_of(3, some_browser().token(other->url() + "/push")).kind,
            VerdictKind::kAccepted)
      << "the place of one that is not used";
}

TEST_F(WebPushProviderTest, LetsAServiceThatIsGoneHoldUpNobodyElse) {
  auto gone = service();
  const std::string gone_url = gone->url();
  const auto other = service();
  auto patient = config({gone.get(), other.get()});
  patient.queued_max = 20s;
  connect(patient);
  gone.reset();
  submit(tokens_at(gone_url, 600), 1);
  EXPECT_EQ(verdict_of(1001, some_browser().token(other->url() + "/push")).kind,
            VerdictKind::kAccepted);
  ASSERT_TRUE(eventually([&] { return sink.verdicts().size() > 250; }));
  std::size_t full = 0;
  for (const Verdict& verdict : sink.verdicts()) {
    if (verdict.tag > 600) continue;
    EXPECT_EQ(verdict.kind, VerdictKind::kNotSent);
    full += verdict.reason == "QueueFull";
  }
  // A slice or two that two threads have begun may come on top.
  EXPECT_GE(full, 600u - 256 - 3 * 32);
  EXPECT_LE(full, 600u - 256);
  provider->close(0ms);
  EXPECT_THAT(sink.verdicts(), SizeIs(601));
}

TEST_F(WebPushProviderTest, SettlesEveryTargetOnceHoweverEarlyItIsClosed) {
  const auto server = service();
  for (std::uint32_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    RecordingSink own_sink;
    provider = make_webpush_provider(config({server.get()}), own_sink, loop).value();
    constexpr std::size_t kTargets = 400;
    const auto all = tokens_at(server->url(), kTargets);
    for (std::size_t at = 0; at < kTargets;) {
      const std::size_t count = std::min<std::size_t>(1 + random() % 100, kTargets - at);
      submit({all.begin() + static_cast<std::ptrdiff_t>(at),
              all.begin() + static_cast<std::ptrdiff_t>(at + count)},
             at, random() % 2 == 0);
      at += count;
    }
    own_sink.wait_for(random() % kTargets);
    provider->close(random() % 2 == 0 ? 0ms : 50ms);
    const auto verdicts = own_sink.verdicts();
    std::set<std::uint64_t> tags;
    for (const Verdict& verdict : verdicts) tags.insert(verdict.tag);
    EXPECT_THAT(verdicts, SizeIs(kTargets));
    EXPECT_THAT(tags, SizeIs(kTargets));
    EXPECT_EQ(provider->health().queued, 0u);
    provider->close(0ms);
    submit({all.front()}, kTargets);
    provider.reset();
    EXPECT_THAT(own_sink.verdicts(), SizeIs(kTargets)) << "nothing after close";
  }
}

TEST_F(WebPushProviderTest, WantsMoreWhenAServiceTakesMore) {
  const auto server = service();
  connect(config({server.get()}));
  const std::size_t before = provider->window();
  EXPECT_GT(before, 0u);
  verdict_of(1, some_browser().token(server->url() + "/push"));
  EXPECT_TRUE(eventually([&] { return provider->window() >= before + 2 * 100; }));
}

TEST_F(WebPushProviderTest, NamesEveryProblemOfItsConfigurationAtOnce) {
  WebPushConfig wrong;
  wrong.vapid_key_file = TestCredentials::shared().p384_key_file();
  wrong.subject = "push@example.com";
  wrong.origins = {"https://push.test"};
  wrong.ca_file = "/no/such/ca.pem";
  wrong.connections_max = wrong.streams_max = wrong.origins_max = 0;
  wrong.encryption_threads = 65;
  const auto made = make_webpush_provider(wrong, sink, loop);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error(), SizeIs(8));
  for (const char* field :
       {"ca_file:", "vapid_key_file:", "subject \"push@example.com\" must",
        "origins: \"https://push.test\" must", "origins_max must",
        "encryption_threads must be at most 64", "connections_max must", "streams_max must"}) {
    EXPECT_THAT(made.error(), Contains(HasSubstr(field))) << field;
  }
  wrong = config({});
  wrong.vapid_key_file.clear();
  const auto empty = make_webpush_provider(wrong, sink, loop);
  ASSERT_FALSE(empty.has_value());
  EXPECT_THAT(empty.error(), Contains(HasSubstr("`carillon keys vapid` makes one")));
  EXPECT_THAT(empty.error(), Contains(HasSubstr("origins must name")));
}

}  // namespace
}  // namespace carillon::push::webpush_provider_test
