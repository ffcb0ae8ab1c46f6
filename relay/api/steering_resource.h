// /v1/events/{event}/pause, /resume, /cancel, /rate, /replay: someone is in charge of a send.
#pragma once

#include <string_view>

#include "relay/api/desk.h"
#include "relay/api/publisher.h"
#include "storage/store.h"

namespace carillon::api {

// Any thread. Each call waits for the disk.
class SteeringResource {
 public:
  // Both must outlive it.
  SteeringResource(Publisher& publisher, store::Store& store)
      : publisher_(publisher), store_(store) {}

  Reply steer(const Admission& admission, fanout::Wish::Kind kind);
  Reply set_rate(const Admission& admission, std::string_view body);
  Reply replay(const Admission& admission, std::string_view body);

 private:
  Reply ask(const Admission& admission, const fanout::Wish& wish);

  Publisher& publisher_;
  store::Store& store_;
};

}  // namespace carillon::api
