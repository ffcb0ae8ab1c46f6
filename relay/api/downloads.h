// Clients that are sent an export, each at its own pace.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "relay/export/exporter.h"

namespace carillon::api {

// A thread for each, of which there are few: an export is a copy of the store on the disk. Nobody
// else waits for a client that does not read; it is dropped, and its copy with it, when it takes
// nothing for `stall_max` or is slower than `bytes_per_second_min` on the whole.
class Downloads {
 public:
  struct Limits {
    std::size_t downloads_max = 2;
    std::chrono::milliseconds stall_max{30'000};
    std::uint64_t bytes_per_second_min = 16 * 1024;  // after the first `stall_max`
  };

  explicit Downloads(const Limits& limits);
  ~Downloads();  // as stop

  // A place among downloads_max, given back when it is destroyed.
  class Place;
  // nullptr: all are taken. Any thread.
  std::shared_ptr<Place> reserve();

  // How the body says where it ends; `kClose` is for HTTP/1.0, which knows nothing else.
  enum class Framing : std::uint8_t { kChunked, kClose };
  // Takes the socket over; the head of its answer has been written. The export begins here: what
  // goes wrong with it, or with the client, ends the connection before the body's end. Any thread.
  void add(std::shared_ptr<Place> place, int socket, std::shared_ptr<exporting::Exporter> exporter,
           Framing framing);

  // Cuts every download off and waits for its thread. Idempotent.
  void stop();

  std::size_t count() const;  // places taken; any thread

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace carillon::api
