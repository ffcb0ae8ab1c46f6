// Answers as bytes. The one place that knows of cpp-httplib.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "relay/api/reply.h"

namespace carillon::api {

// For one thread.
class ReplyWriter {
 public:
  ReplyWriter(std::chrono::milliseconds idle_timeout, std::size_t requests_max);
  ~ReplyWriter();

  // The whole answer; for one that is taken over, its head. `close`: the connection ends with it.
  std::string bytes_of(const Reply& reply, std::string_view method, bool close);

 private:
  class Replay;
  std::unique_ptr<Replay> replay_;
};

}  // namespace carillon::api
