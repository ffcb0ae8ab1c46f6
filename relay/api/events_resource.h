// /v1/events: taken in, listed, shown, watched.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "relay/api/count_places.h"
#include "relay/api/desk.h"
#include "relay/api/pacemaker.h"
#include "relay/api/publisher.h"
#include "relay/api/watchers.h"
#include "relay/fanout/engine.h"
#include "storage/store.h"

namespace carillon::api {

inline constexpr std::size_t kEventsPageMax = 200;
inline constexpr std::size_t kEventsPageDefault = 50;

// Any thread.
class EventsResource {
 public:
  // All must outlive it.
  EventsResource(Publisher& publisher, store::Store& store, const fanout::Clocks& clocks,
                 const CountPlaces& counts);

  // Nothing: the event waits for its commit, and `later` hears of it.
  std::optional<Reply> publish(const RequestHead& head, std::string_view body, Later later);
  // What would become of it; nothing is sent. Waits for FCM's word.
  Reply plan(const Admission& admission, std::string_view body);
  Reply list(const Admission& admission);
  Reply show(const Admission& admission);
  // The answer's socket goes to `watchers`.
  Reply watch(const Admission& admission, Watchers& watchers);

  // What a watcher is told now; nothing if the event cannot be read.
  std::optional<Progress> progress(const store::EventId& event);

 private:
  Reply published(const tl::expected<store::AcceptedEvent, fanout::Refusal>& accepted);
  Pace pace_of(const store::EventRecord& event);

  Publisher& publisher_;
  store::Store& store_;
  const fanout::Clocks& clocks_;
  const CountPlaces& counts_;
  Pacemaker pacemaker_;
};

}  // namespace carillon::api
