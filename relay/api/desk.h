// What stands behind the gate: it is asked twice about every request, and sees no socket.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>

#include "relay/api/problem.h"
#include "relay/api/reply.h"
#include "relay/api/request_head.h"
#include "relay/api/routes.h"
#include "relay/api/target.h"

namespace carillon::api {

// A request that may go on, decided on its head alone.
struct Admission {
  RouteMatch match;
  Target target;
  std::uint64_t body_bytes_max = 0;
};

// A body that is read as it comes. For one thread.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // The next stretch, until the next call; empty: the body is complete. A problem is final.
  virtual tl::expected<std::string_view, Problem> next() = 0;
};

// Makes an answer that was awaited: once, on a worker. May throw, as `answer` may.
using MakeReply = std::function<Reply()>;
// Says how the answer is made, on any thread, which it does not hold up.
using Later = std::function<void(MakeReply)>;

// Called on the gate's workers, many at once. May throw: the gate answers 500 then.
class Desk {
 public:
  virtual ~Desk() = default;

  // Before a byte of the body is kept: path, key, media type. An error is the answer.
  virtual tl::expected<Admission, Reply> admit(const RequestHead& head) = 0;
  // With the whole body; empty for routes that take none. Nothing: the answer waits for something
  // that this worker does not wait for. Then `later` is called exactly once, perhaps before this
  // returns; if this throws or answers, it is not. Arguments are for the call alone.
  virtual std::optional<Reply> answer(const RequestHead& head, const Admission& admission,
                                      std::string_view body, Later later) = 0;
  // For BodyPlan::kLines.
  virtual Reply answer(const RequestHead& head, const Admission& admission, BodySource& body) = 0;
  // Once for each answer, when it is ready to be written. `head` is empty if it could not be read,
  // `route` is nullptr if the request got none.
  virtual void on_answered(const RequestHead& head, const Route* route, int status,
                           std::chrono::nanoseconds took) = 0;
};

}  // namespace carillon::api
