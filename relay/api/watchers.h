// Clients that watch an event's progress, as Server-Sent Events.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "storage/store.h"

namespace carillon::api {

// What a watcher is told at one moment.
struct Progress {
  std::string document;  // one line of JSON
  bool over = false;     // the last one
};

// One thread writes to all watchers, whatever their number: once a tick each watched event is read
// once, and every watcher of it gets the same document. A watcher that does not read misses
// documents, never delays others, and is dropped after `stall_max`.
class Watchers {
 public:
  struct Limits {
    std::size_t watchers_max = 256;
    std::chrono::milliseconds tick{1'000};
    std::chrono::milliseconds stall_max{30'000};
  };
  // Called on the watchers' thread. Nothing: the event cannot be read now; asked again next time.
  using Read = std::function<std::optional<Progress>(const store::EventId&)>;

  Watchers(const Limits& limits, Read read);
  ~Watchers();  // as stop

  // A place among watchers_max, given back when it is destroyed.
  class Place;
  // nullptr: all are taken. Any thread.
  std::shared_ptr<Place> reserve();

  // Takes the socket over; the head of its answer has been written. Any thread.
  void add(std::shared_ptr<Place> place, int socket, const store::EventId& event);

  // Closes every watcher. Idempotent.
  void stop();

  std::size_t count() const;  // places taken; any thread

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace carillon::api
