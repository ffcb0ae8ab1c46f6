#include "device-sim/cli/phone_listener.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/device-sim/test_simulator.h"

namespace device_sim {
namespace {

using nlohmann::json;

TEST(Printable, KeepsTextAndTakesOutWhatSteersATerminal) {
  EXPECT_EQ(printable("Größe 10 €"), "Größe 10 €");
  EXPECT_EQ(printable("a\x1b[31mb\r\n\x7f"), "a [31mb   ");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "31m"),
            "a  31m");
}

// A relay that takes enrolments, or refuses them.
class EnrolmentDesk {
 public:
  EnrolmentDesk() {
    server_.Put(R"(/v1/apps/([^/]+)/devices/([^/]+))", [this](const httplib::Request& request,
                                                              httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      enrolled_.push_back({{"path", request.path},
                           {"authorization", request.get_header_value("Authorization")},
                           {"body", json::parse(request.body)}});
      response.status = status;
      response.set_content(R"({"detail":"topic must not be empty"})", "application/problem+json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~EnrolmentDesk() {
    server_.stop();
    thread_.join();
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<json> enrolled() {
    const std::lock_guard lock(mutex_);
    return enrolled_;
  }
  std::atomic<int> status{201};

 private:
  httplib::Server server_;
  std::mutex mutex_;
  std::vector<json> enrolled_;
  int port_ = 0;
  std::thread thread_;
};

class PhoneListenerTest : public ::testing::Test {
 protected:
  ListenPlan plan(std::size_t count) {
    ListenPlan plan;
    plan.count = count;
    plan.topic = "channel-42";
    plan.control_url = "http://" + simulator_.control().to_string();
    plan.relay_url = relay_.url();
    plan.api_key = "key-1";
    plan.events = 1;
    plan.duration = std::chrono::seconds(10);
    return plan;
  }
  PhoneListener::Print printer() {
    return [this](const std::string& line) { lines_.push_back(line); };
  }
  bool printed(const std::string& text) const {
    for (const std::string& line : lines_) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

  TestSimulator simulator_;
  EnrolmentDesk relay_;
  std::vector<std::string> lines_;
  std::atomic<bool> stop_{false};
};

TEST_F(PhoneListenerTest, EnrolsPhonesAndShowsWhatTheyReceive) {
  PhoneListener listener(plan(2), printer());
  ASSERT_TRUE(listener.enrol());
  EXPECT_EQ(lines_.back(), "listening");
  const auto enrolled = relay_.enrolled();
  ASSERT_EQ(enrolled.size(), 2U);
  EXPECT_EQ(enrolled[0]["path"], "/v1/apps/video/devices/d-0001001");
  EXPECT_EQ(enrolled[0]["authorization"], "Bearer key-1");
  EXPECT_EQ(enrolled[0]["body"]["topics"], json::array({"channel-42"}));
  EXPECT_EQ(enrolled[1]["body"]["platform"], "fcm");

  Http2Client apns(simulator_.apns_port());
  EXPECT_EQ(
      apns.fetch(simulator_.apns_headers(enrolled[0]["body"]["token"]), apns_body("e1")).status,
      200);
  Http2Client fcm(simulator_.fcm_port());
  EXPECT_EQ(fcm.fetch(simulator_.fcm_headers(simulator_.fetch_access_token()),
                      fcm_body(enrolled[1]["body"]["token"], "e1"))
                .status,
            200);
  const auto followed = listener.follow(stop_);
  ASSERT_TRUE(followed) << followed.error();
  EXPECT_TRUE(*followed);
  EXPECT_TRUE(printed("phone 1 (iPhone) shown: New upload: Bells [event e1]"));
  EXPECT_TRUE(printed("phone 2 (Android) shown: New upload: Bells [event e1]"));
}

TEST_F(PhoneListenerTest, TellsWhenTheTimeRanOut) {
  ListenPlan hurried = plan(1);
  hurried.duration = std::chrono::seconds(0);
  PhoneListener listener(hurried, printer());
  ASSERT_TRUE(listener.enrol());
  const auto followed = listener.follow(stop_);
  ASSERT_TRUE(followed);
  EXPECT_FALSE(*followed);
}

TEST_F(PhoneListenerTest, RepeatsTheRelaysOwnWordsWhenItRefuses) {
  relay_.status = 422;
  PhoneListener listener(plan(1), printer());
  const auto enrolled = listener.enrol();
  ASSERT_FALSE(enrolled);
  EXPECT_NE(enrolled.error().find("topic must not be empty"), std::string::npos);
}

TEST_F(PhoneListenerTest, SaysWhichPartnerDoesNotAnswer) {
  ListenPlan lonely = plan(1);
  lonely.control_url = "http://127.0.0.1:1";
  EXPECT_NE(PhoneListener(lonely, printer()).enrol().error().find("device-sim serve"),
            std::string::npos);
  lonely = plan(1);
  lonely.relay_url = "http://127.0.0.1:1";
  EXPECT_NE(PhoneListener(lonely, printer()).enrol().error().find("carillon serve"),
            std::string::npos);
}

}  // namespace
}  // namespace device_sim
