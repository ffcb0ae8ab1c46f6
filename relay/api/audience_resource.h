// /v1/apps/{app}/…: devices, topics and subscribers.
#pragma once

#include <string_view>

#include "relay/api/count_places.h"
#include "relay/api/desk.h"
#include "relay/fanout/engine.h"
#include "relay/import/push_origins.h"
#include "storage/store.h"

namespace carillon::api {

// Any thread. The app of the path is known and in form. All that it is made with outlives it.
class AudienceResource {
 public:
  AudienceResource(store::Store& store, const fanout::Clocks& clocks,
                   const import::PushOrigins& push_origins, const CountPlaces& counts)
      : store_(store), clocks_(clocks), push_origins_(push_origins), counts_(counts) {}

  Reply put_device(const Admission& admission, std::string_view body);
  Reply show_device(const Admission& admission);
  Reply erase_device(const Admission& admission);
  Reply subscribe(const Admission& admission);
  Reply unsubscribe(const Admission& admission);
  Reply subscribe_device(const Admission& admission);
  Reply unsubscribe_device(const Admission& admission);
  Reply count(const Admission& admission, std::string_view body);
  Reply show_topic(const Admission& admission);
  Reply erase_subscriber(const Admission& admission);

 private:
  std::int64_t now_ms() const;

  store::Store& store_;
  const fanout::Clocks& clocks_;
  const import::PushOrigins& push_origins_;
  const CountPlaces& counts_;
};

}  // namespace carillon::api
