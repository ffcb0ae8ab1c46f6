// How an event comes in: rendered for every platform, stored, and its jobs handed to the fan-out.
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "relay/fanout/engine_state.h"
#include "relay/fanout/event_id.h"
#include "relay/fanout/job_start.h"
#include "relay/fanout/notification_codec.h"

namespace carillon::fanout {
namespace {

Refusal refusal_of(const store::Error& error) {
  switch (error.kind) {
    case store::Error::Kind::kMismatch:
      return {.kind = Refusal::Kind::kIdempotencyMismatch, .message = error.message};
    case store::Error::Kind::kFull:
      return {.kind = Refusal::Kind::kStoreFull, .message = error.message};
    case store::Error::Kind::kInvalid:
      return {.kind = Refusal::Kind::kInvalid, .message = error.message};
    default:
      return {.kind = Refusal::Kind::kStoreFailed, .message = error.message};
  }
}

}  // namespace

store::EventId Engine::Impl::next_event_id() {
  std::array<std::uint8_t, 10> entropy;
  if (RAND_bytes(entropy.data(), static_cast<int>(entropy.size())) != 1) std::abort();
  return make_event_id(to_ms(clocks_.calendar()), entropy);
}

// A payload that no device can be sent is the publisher's to mend, now, not a million rejections.
tl::expected<Engine::Impl::Rendered, Refusal> Engine::Impl::render(
    const std::string& app, const push::Notification& notification,
    const Localization* localization, std::chrono::system_clock::time_point now) {
  Rendered messages;
  std::vector<push::RenderError> faults;
  for (const push::Platform platform : kAllPlatforms) {
    const Way* to = find_way(app, platform);
    if (to == nullptr || !to->provider) continue;
    auto rendered = to->provider->render(notification, now);
    if (rendered) {
      messages[static_cast<std::size_t>(platform) - 1] =
          std::make_shared<const push::RenderedMessage>(std::move(*rendered));
      if (localization != nullptr) {
        check_wordings(*to->provider, notification, *localization, now, faults);
      }
      continue;
    }
    faults.push_back(std::move(rendered.error()));
  }
  if (faults.empty()) return messages;
  Refusal refusal{.kind = Refusal::Kind::kInvalid,
                  .message = "the notification cannot be rendered for every platform",
                  .fields = {}};
  for (push::RenderError& fault : faults) {
    refusal.fields.push_back({std::move(fault.pointer), std::move(fault.message)});
  }
  return tl::unexpected(std::move(refusal));
}

std::optional<Refusal> Engine::Impl::objection(const Publication& publication) const {
  if (draining_) {
    return Refusal{.kind = Refusal::Kind::kDraining, .message = "the relay is shutting down"};
  }
  if (!apps_.contains(publication.app)) {
    return Refusal{.kind = Refusal::Kind::kUnknownApp,
                   .message = "there is no app '" + publication.app + "'"};
  }
  if (jobs_ >= kJobsWaitingMax) {
    return Refusal{.kind = Refusal::Kind::kBacklog,
                   .message = "too many events are waiting for their providers"};
  }
  return std::nullopt;
}

// What crashes and refusals leave:
// - before the commit: nothing happened, and the publisher got no answer.
// - after it, before `done`: the jobs are found again at the next start; the publisher got no
//   answer and repeats the request with its key.
// - the commit fails: nothing is stored, `done` hears of it, no job starts.
// - the publisher goes away: `done` is called all the same, and the event is sent.
// - the relay drains: `drain` waits for events that were handed to the store; later ones are
//   refused here.
void Engine::Impl::publish(Publication publication, Published done) {
  if (auto refusal = objection(publication)) return done(tl::unexpected(*std::move(refusal)));
  const auto now = clocks_.calendar();
  const std::int64_t accepted_ms = to_ms(now);
  const bool now_or_never = publication.ttl.count() == 0;
  store::NewEvent event{
      .id = next_event_id(),
      .app = std::move(publication.app),
      .audience = std::move(publication.audience),
      .content =
          encode_content(publication.notification, now_or_never, publication.localization.get()),
      .priority = static_cast<std::uint8_t>(publication.notification.priority),
      .accepted_ms = accepted_ms,
      .expires_ms =
          accepted_ms +
          (now_or_never ? kNowOrNeverMs : std::chrono::milliseconds(publication.ttl).count()),
      .idempotency_key = std::move(publication.idempotency_key),
      .body_digest = publication.body_digest};
  push::Notification notification = std::move(publication.notification);
  notification.event_id = to_string(event.id);
  notification.expires_at = provider_expiry(event.expires_ms, now_or_never);
  auto rendered = render(event.app, notification, publication.localization.get(), now);
  if (!rendered) return done(tl::unexpected(std::move(rendered.error())));
  if (!inbox_.expect()) {
    return done(tl::unexpected(
        Refusal{.kind = Refusal::Kind::kDraining, .message = "the relay is shutting down"}));
  }
  // As much as can be is made here, and not on the writer's thread.
  const auto draft =
      std::make_shared<Draft>(Draft{.job = {.key = {.event = event.id},
                                            .app = event.app,
                                            .priority = event.priority,
                                            .accepted_ms = accepted_ms,
                                            .expires_ms = event.expires_ms},
                                    .notification = std::move(notification),
                                    .localization = std::move(publication.localization),
                                    .now_or_never = now_or_never,
                                    .rendered = *std::move(rendered),
                                    .done = std::move(done)});
  store_.accept(std::move(event), [this, draft](store::Result<store::AcceptedEvent> accepted) {
    on_accepted(*draft, std::move(accepted));
  });
}

tl::expected<Plan, Refusal> Engine::Impl::plan(const Publication& publication,
                                               std::shared_ptr<void> counting) {
  if (auto refusal = objection(publication)) return tl::unexpected(*std::move(refusal));
  const auto now = clocks_.calendar();
  const bool now_or_never = publication.ttl.count() == 0;
  push::Notification notification = publication.notification;
  notification.event_id = to_string(next_event_id());
  notification.expires_at = provider_expiry(
      to_ms(now) + std::chrono::milliseconds(publication.ttl).count(), now_or_never);
  const auto messages = render(publication.app, notification, publication.localization.get(), now);
  if (!messages) return tl::unexpected(messages.error());
  std::vector<Planner::Rendered> rendered;
  for (const push::Platform platform : kAllPlatforms) {
    const Way* to = find_way(publication.app, platform);
    rendered.push_back({.platform = platform,
                        .provider = to->provider.get(),
                        .message = (*messages)[static_cast<std::size_t>(platform) - 1],
                        .pace = pace_of(to->totals)});
  }
  return planner_.plan(publication, rendered, std::move(counting));
}

void Engine::Impl::ask_channel(const std::string& app, push::ChannelRequest request,
                               push::HearChannel hear) {
  const Way* const to = find_way(app, push::Platform::kApns);
  if (to == nullptr || !to->provider) {
    return hear({.kind = push::ChannelAnswer::Kind::kUnsupported});
  }
  to->provider->ask_channel(std::move(request), std::move(hear));
}

// On the writer's thread. The fan-out hears of the event first: the publisher can wait.
void Engine::Impl::on_accepted(Draft& draft, store::Result<store::AcceptedEvent> accepted) {
  std::vector<Inbox::Started> jobs;
  if (accepted && !accepted->repeated) {
    events_accepted_.fetch_add(1, std::memory_order_relaxed);
    jobs = jobs_of(draft, accepted->targeted);
    jobs_.fetch_add(jobs.size(), std::memory_order_relaxed);
  }
  inbox_.started(std::move(jobs));  // after which this engine may end
  if (!accepted) return draft.done(tl::unexpected(refusal_of(accepted.error())));
  draft.done(*std::move(accepted));
}

std::vector<Inbox::Started> Engine::Impl::jobs_of(Draft& draft,
                                                  const store::PlatformCounts& targeted) {
  std::vector<Inbox::Started> jobs;
  auto left = targeted.size() - std::count(targeted.begin(), targeted.end(), 0u);
  for (const push::Platform platform : kAllPlatforms) {
    const std::size_t place = static_cast<std::size_t>(platform) - 1;
    if (targeted[place] == 0) continue;
    store::Job job = draft.job;
    job.key.platform = stored(platform);
    job.counters.targeted = targeted[place];
    jobs.push_back(
        {.lane = find_way(job.app, platform)->lane,
         .start = {.job = std::move(job),
                   .notification = --left == 0 ? std::move(draft.notification) : draft.notification,
                   .localization = draft.localization,
                   .now_or_never = draft.now_or_never,
                   .message = draft.rendered[place],
                   .rendered_ms = draft.job.accepted_ms}});
  }
  return jobs;
}

}  // namespace carillon::fanout
