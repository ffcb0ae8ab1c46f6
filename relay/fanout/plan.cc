#include "relay/fanout/plan.h"

#include <fmt/format.h>

#include <future>
#include <string>
#include <utility>

namespace carillon::fanout {
namespace {

// Of the named devices, how many are looked at for one with a token.
constexpr std::size_t kDevicesLookedAt = 16;

}  // namespace

// Of a device that the event names: a topic's members would have to be read for one.
std::string Planner::some_token(const Publication& publication) const {
  const auto& names = publication.audience.devices;
  for (std::size_t i = 0; i < names.size() && i < kDevicesLookedAt; ++i) {
    const auto device = store_.device(publication.app, names[i]);
    if (device && device->platform == store::Platform::kFcm) return device->token;
  }
  return {};
}

// Whoever answers late speaks to nobody.
push::PlatformWord Planner::ask(const Rendered& rendered, const Publication& publication) {
  using Kind = push::PlatformWord::Kind;
  const std::size_t others = asking_.fetch_add(1, std::memory_order_relaxed);
  push::PlatformWord word{.kind = Kind::kUnclear, .text = "too many plans are asked about"};
  if (others < kPlansAskingMax) {
    const auto promise = std::make_shared<std::promise<push::PlatformWord>>();
    auto future = promise->get_future();
    rendered.provider->validate(
        rendered.message, some_token(publication),
        [promise](push::PlatformWord said) { promise->set_value(std::move(said)); });
    word =
        future.wait_for(word_max_) == std::future_status::ready
            ? future.get()
            : push::PlatformWord{.kind = Kind::kUnclear,
                                 .text = fmt::format("no answer within {} ms", word_max_.count())};
  }
  asking_.fetch_sub(1, std::memory_order_relaxed);
  return word;
}

tl::expected<Plan, Refusal> Planner::plan(const Publication& publication,
                                          const std::vector<Rendered>& rendered,
                                          std::shared_ptr<void> counting) {
  const auto count = store_.count(publication.app, publication.audience);
  counting.reset();
  if (!count) {
    return tl::unexpected(Refusal{.kind = count.error().kind == store::Error::Kind::kInvalid
                                              ? Refusal::Kind::kInvalid
                                              : Refusal::Kind::kStoreFailed,
                                  .message = count.error().message,
                                  .fields = {}});
  }
  Plan plan{.subscribers = count->subscribers, .sends = {}};
  for (const Rendered& one : rendered) {
    PlannedSend send{.platform = one.platform,
                     .devices = count->devices[static_cast<std::size_t>(one.platform) - 1],
                     .pace = one.pace};
    if (one.provider == nullptr && send.devices == 0) continue;
    if (one.message) send.body_bytes = one.message->body.size();
    if (one.provider != nullptr && one.platform == push::Platform::kFcm) {
      send.word = ask(one, publication);
    }
    plan.sends.push_back(std::move(send));
  }
  return plan;
}

}  // namespace carillon::fanout
