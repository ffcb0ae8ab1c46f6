#include "relay/cli/sse_reader.h"

#include <utility>

namespace carillon::cli {

SseReader::SseReader(OnEvent on_event) : on_event_(std::move(on_event)) {}

bool SseReader::feed(std::string_view bytes) {
  for (const char c : bytes) {
    const bool second_half = after_cr_ && c == '\n';
    after_cr_ = c == '\r';
    if (second_half) continue;
    if (c == '\n' || c == '\r') {
      end_line();
    } else {
      line_ += c;
    }
    if (line_.size() + data_.size() > kEventBytesMax) return false;
  }
  return true;
}

void SseReader::end_line() {
  const std::string line = std::exchange(line_, {});
  if (line.empty()) return dispatch();
  const std::size_t colon = line.find(':');
  const std::string_view field = std::string_view(line).substr(0, colon);
  std::string_view value;
  if (colon != line.npos) {
    value = std::string_view(line).substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
  }
  if (field == "event") {
    event_ = value;
  } else if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  }
  // A comment (an empty field name) keeps the connection alive; `id` and `retry` mean nothing here:
  // each event is the whole state.
}

void SseReader::dispatch() {
  const std::string event = std::exchange(event_, {});
  const std::string data = std::exchange(data_, {});
  // The standard drops events without data; the relay's `end` may have none, and matters.
  if (std::exchange(has_data_, false) || !event.empty()) {
    on_event_(event.empty() ? "message" : std::string_view(event), data);
  }
}

}  // namespace carillon::cli
