// Server-Sent Events as bytes in, events out (https://html.spec.whatwg.org/multipage/
// server-sent-events.html#parsing-an-event-stream). No I/O.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace carillon::cli {

class SseReader {
 public:
  // A relay's progress document is a few KiB; a stream that sends more without an event's end is
  // not one.
  static constexpr std::size_t kEventBytesMax = 1024 * 1024;

  // `event` is "message" if the stream did not name it. The views hold for the call.
  using OnEvent = std::function<void(std::string_view event, std::string_view data)>;
  explicit SseReader(OnEvent on_event);

  // The next bytes, cut anywhere. False: the stream is not Server-Sent Events; feed it no more.
  bool feed(std::string_view bytes);

 private:
  void end_line();
  void dispatch();

  OnEvent on_event_;
  std::string line_;
  std::string event_;
  std::string data_;
  bool has_data_ = false;
  bool after_cr_ = false;  // a LF that follows belongs to the CR before it
};

}  // namespace carillon::cli
