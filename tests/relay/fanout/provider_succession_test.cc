#include "relay/fanout/provider_succession.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace carillon::fanout::provider_succession_test {
namespace {

using push::Verdict;
using push::VerdictKind;
using std::chrono::milliseconds;

class Verdicts final : public push::VerdictSink {
 public:
  void on_verdicts(std::span<const Verdict> verdicts) noexcept override {
    all.insert(all.end(), verdicts.begin(), verdicts.end());
  }
  std::vector<Verdict> all;
};

// What a provider was told, also after it is gone.
struct Told {
  std::vector<std::uint64_t> tags;
  push::ProviderHealth health;
  int closes = 0;
  bool gone = false;
};

class QuietProvider final : public push::Provider {
 public:
  QuietProvider(std::shared_ptr<Told> told, push::VerdictSink& sink)
      : told_(std::move(told)), sink_(sink) {}
  ~QuietProvider() override {
    sink_.on_verdicts({});  // a provider may use its sink until its end
    told_->gone = true;
  }
  push::Platform platform() const noexcept override { return push::Platform::kFcm; }
  tl::expected<push::RenderedMessage, push::RenderError> render(
      const push::Notification&, std::chrono::system_clock::time_point) const override {
    return push::RenderedMessage{};
  }
  void submit(push::PushBatch batch) override {
    for (const auto& target : batch.targets) told_->tags.push_back(target.tag);
    told_->health.queued += batch.targets.size();
  }
  std::size_t window() const noexcept override { return 7; }
  push::ProviderHealth health() const override { return told_->health; }
  void close(milliseconds) override { ++told_->closes; }

 private:
  const std::shared_ptr<Told> told_;
  push::VerdictSink& sink_;
};

class ProviderSuccessionTest : public testing::Test {
 protected:
  static push::PushBatch batch(std::uint64_t tag) {
    return {.message = std::make_shared<push::RenderedMessage>(), .targets = {{.tag = tag}}};
  }
  std::pair<std::unique_ptr<push::Provider>, std::shared_ptr<ProviderSeat>> made(
      const std::shared_ptr<Told>& told) {
    auto seat = std::make_shared<ProviderSeat>(sink_);
    return {std::make_unique<QuietProvider>(told, *seat), seat};
  }
  void begin() {
    auto [provider, seat] = made(first_);
    first_seat_ = seat;
    providers_ = std::make_unique<ProviderSuccession>(std::move(provider), seat);
  }
  void succeed() {
    auto [provider, seat] = made(second_);
    second_seat_ = seat;
    providers_->succeed(std::move(provider), seat);
  }

  Verdicts sink_;
  const std::shared_ptr<Told> first_ = std::make_shared<Told>();
  const std::shared_ptr<Told> second_ = std::make_shared<Told>();
  std::shared_ptr<ProviderSeat> first_seat_, second_seat_;
  std::unique_ptr<ProviderSuccession> providers_;
};

TEST_F(ProviderSuccessionTest, BatchesGoToTheOneInUseAndTheOldOneEndsWhatItHas) {
  begin();
  EXPECT_EQ(providers_->platform(), push::Platform::kFcm);
  EXPECT_EQ(providers_->window(), 7u);
  providers_->submit(batch(1));
  succeed();
  providers_->submit(batch(2));
  EXPECT_EQ(first_->tags, (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(second_->tags, (std::vector<std::uint64_t>{2}));
  for (int look = 0; look < 5; ++look) EXPECT_EQ(providers_->close_finished(), 1u);
  EXPECT_EQ(first_->closes, 0) << "it has one queued";
  EXPECT_EQ(providers_->health().queued, 2u);

  first_->health = {.in_flight = 1};
  for (int look = 0; look < 5; ++look) EXPECT_EQ(providers_->close_finished(), 1u);
  EXPECT_EQ(providers_->health().in_flight, 1u);
  first_->health = {};
  EXPECT_EQ(providers_->close_finished(), 1u) << "one look is not enough";
  EXPECT_EQ(providers_->close_finished(), 0u);
  EXPECT_TRUE(first_->gone);
  EXPECT_EQ(first_->closes, 1);
  EXPECT_FALSE(second_->gone);
}

TEST_F(ProviderSuccessionTest, WorkBetweenTwoLooksKeepsItOpen) {
  begin();
  succeed();
  EXPECT_EQ(providers_->close_finished(), 1u);
  first_->health = {.in_flight = 1};
  EXPECT_EQ(providers_->close_finished(), 1u);
  first_->health = {};
  EXPECT_EQ(providers_->close_finished(), 1u);
  EXPECT_EQ(providers_->close_finished(), 0u);
}

TEST_F(ProviderSuccessionTest, WhatIsSaidAgainstAReplacedCredentialIsNotSaidAgainstTheNewOne) {
  begin();
  const std::vector<Verdict> said = {
      {.tag = 1, .kind = VerdictKind::kCredentialRefused, .status = 403, .reason = "Invalid"},
      {.tag = 2,
       .kind = VerdictKind::kThrottled,
       .scope = push::ThrottleScope::kCredential,
       .status = 429},
      {.tag = 3, .kind = VerdictKind::kThrottled, .scope = push::ThrottleScope::kDevice},
      {.tag = 4, .kind = VerdictKind::kAccepted, .status = 200}};
  first_seat_->on_verdicts(said);
  ASSERT_EQ(sink_.all.size(), 4u);
  EXPECT_EQ(sink_.all[0].kind, VerdictKind::kCredentialRefused) << "it is the one in use";
  sink_.all.clear();
  succeed();
  first_seat_->on_verdicts(said);
  ASSERT_EQ(sink_.all.size(), 4u);
  EXPECT_EQ(sink_.all[0].kind, VerdictKind::kNotSent);
  EXPECT_EQ(sink_.all[0].reason, "Invalid");
  EXPECT_EQ(sink_.all[1].kind, VerdictKind::kNotSent);
  EXPECT_EQ(sink_.all[1].scope, push::ThrottleScope::kNone);
  EXPECT_EQ(sink_.all[2].kind, VerdictKind::kThrottled);
  EXPECT_EQ(sink_.all[3].kind, VerdictKind::kAccepted);
  sink_.all.clear();
  second_seat_->on_verdicts(said);
  EXPECT_EQ(sink_.all[0].kind, VerdictKind::kCredentialRefused);
}

TEST_F(ProviderSuccessionTest, TheEndClosesAllOfThem) {
  begin();
  providers_->submit(batch(1));
  succeed();
  providers_->close(milliseconds(5));
  EXPECT_EQ(first_->closes, 1);
  EXPECT_EQ(second_->closes, 1);
  providers_.reset();
  EXPECT_TRUE(first_->gone && second_->gone);
}

}  // namespace
}  // namespace carillon::fanout::provider_succession_test
