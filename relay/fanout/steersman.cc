#include "relay/fanout/steersman.h"

#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "relay/fanout/job_start.h"

namespace carillon::fanout {
namespace {

using Why = SteeringRefusal::Kind;

tl::unexpected<SteeringRefusal> refuse(Why kind, std::string message) {
  return tl::unexpected(SteeringRefusal{.kind = kind, .message = std::move(message)});
}

tl::unexpected<SteeringRefusal> refuse(const store::Error& error) {
  switch (error.kind) {
    case store::Error::Kind::kNotFound:
      return refuse(Why::kUnknownEvent, error.message);
    case store::Error::Kind::kFull:
      return refuse(Why::kStoreFull, error.message);
    case store::Error::Kind::kInvalid:  // somebody else's replay came first
      return refuse(Why::kNotCompleted, error.message);
    default:
      return refuse(Why::kStoreFailed, error.message);
  }
}

}  // namespace

Steersman::Steersman(store::Store& store, Inbox& inbox,
                     std::function<std::chrono::system_clock::time_point()> calendar,
                     LaneOf lane_of, std::chrono::milliseconds wait)
    : store_(store),
      inbox_(inbox),
      calendar_(std::move(calendar)),
      lane_of_(std::move(lane_of)),
      wait_(wait) {}

std::int64_t Steersman::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(calendar_().time_since_epoch())
      .count();
}

SteeringResult Steersman::steer(const store::EventId& event, const Wish& wish) {
  if (draining_) return refuse(Why::kDraining, "the relay is shutting down");
  // Outlives a caller that has given up.
  auto answer = std::make_shared<std::promise<SteeringResult>>();
  auto answered = answer->get_future();
  inbox_.steer({.event = event, .wish = wish, .done = [answer](SteeringResult result) {
                  answer->set_value(std::move(result));
                }});
  if (answered.wait_for(wait_) != std::future_status::ready) {
    return refuse(Why::kStoreFailed, "it is not recorded yet; ask again");
  }
  SteeringResult result = answered.get();
  if (result || result.error().kind != Why::kFinished) return result;
  return not_running(event, wish);
}

SteeringResult Steersman::not_running(const store::EventId& event, const Wish& wish) {
  const auto record = store_.event(event);
  if (!record) return refuse(record.error());
  switch (record->state) {
    case store::EventState::kCompleted:
      return refuse(Why::kFinished, "the event is completed");
    case store::EventState::kCancelled:
      // Whoever did not hear the first answer asks again.
      if (wish.kind == Wish::Kind::kCancel) return Steered{.at_ms = now_ms(), .jobs = {}};
      return refuse(Why::kFinished, "the event is cancelled");
    default:
      break;
  }
  for (const auto& job : record->jobs) {
    if (job.cancelling) return refuse(Why::kFinished, "the event is being cancelled");
  }
  return refuse(Why::kBusy, "the event is just being taken up");
}

// One commit moves the failures back to what is pending. A crash before it: nothing happened. After
// it: the jobs are found unfinished at the next start, and go out.
tl::expected<store::Replayed, SteeringRefusal> Steersman::replay(
    const store::EventId& id, store::ReplayWish wish, std::optional<std::chrono::seconds> ttl) {
  if (draining_) return refuse(Why::kDraining, "the relay is shutting down");
  const auto event = store_.event(id);
  if (!event) return refuse(event.error());
  if (event->state != store::EventState::kCompleted) {
    return refuse(Why::kNotCompleted, "the event is not completed");
  }
  const std::int64_t now = now_ms();
  if (ttl) wish.expires_ms = now + std::chrono::milliseconds(*ttl).count();
  if ((ttl ? wish.expires_ms : event->expires_ms) <= now) {
    return refuse(Why::kExpired, "the event's time has passed: give a ttl");
  }
  auto content = decode_content(event->content);
  if (!content) return refuse(Why::kStoreFailed, content.error());
  for (const auto& job : event->jobs) {
    if (!lane_of_(event->app, job.platform)) {
      return refuse(Why::kUnknownApp, "the event's app is no longer in the configuration");
    }
  }
  // The fan-out does not end before it has heard of the jobs.
  if (!inbox_.expect()) return refuse(Why::kDraining, "the relay is shutting down");
  auto replayed = store_.replay(id, wish, now);
  if (!replayed) {
    inbox_.started({});
    return refuse(replayed.error());
  }
  std::vector<Inbox::Started> started;
  for (store::Job& job : replayed->jobs) {
    const std::size_t lane = *lane_of_(job.app, job.key.platform);
    started.push_back({.lane = lane, .start = job_start(job, *content)});
  }
  inbox_.started(std::move(started));
  return *std::move(replayed);
}

}  // namespace carillon::fanout
