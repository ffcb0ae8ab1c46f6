// The workers: what is decided about a request, and its answer.
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <exception>
#include <utility>

#include "relay/api/gate_state.h"

namespace carillon::api {
namespace {

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// The HTTP edge is where exceptions stop. What `make` answers, or 500.
template <class Answer, class Make>
Answer guarded(Make make) {
  try {
    return make();
  } catch (const std::exception& error) {
    spdlog::error("an HTTP request failed: {}", error.what());
    return problem_reply(Problem::kInternal, "");
  }
}

}  // namespace

void Gate::Impl::work(ReadyQueue::Place& place) {
  ReplyWriter writer(limits_.idle_timeout, kRequestsPerConnectionMax);
  while (Connection* const connection = ready_.take(place)) {
    if (serve(*connection, writer) == Next::kGiveBack) give_back(*connection);
  }
}

void Gate::Impl::give_back(Connection& connection) {
  if (returned_.put(connection)) wake();
}

Gate::Impl::Next Gate::Impl::serve(Connection& connection, ReplyWriter& writer) {
  switch (connection.stage) {
    case Stage::kAdmission:
      return admit(connection, writer);
    case Stage::kAwaited:
      return settle(connection, writer);
    default:
      return answer(connection, writer);
  }
}

Gate::Impl::Next Gate::Impl::admit(Connection& connection, ReplyWriter& writer) {
  connection.began = Steady::now();
  auto head = parse_head(std::string_view(connection.input).substr(0, connection.scanned));
  connection.input.erase(0, connection.scanned);
  if (!head) {
    return finish(connection, writer, problem_reply(head.error().problem, head.error().detail),
                  true);
  }
  connection.head = std::move(*head);
  const Reply refusal = guarded<Reply>([&] {
    auto admission = desk_.admit(connection.head);
    if (!admission) return std::move(admission.error());
    connection.admission = std::move(*admission);
    return Reply{};
  });
  if (!connection.admission) {
    // A body that was not let in is not read either: the connection cannot go on behind it.
    return finish(connection, writer, refusal, connection.head.has_body());
  }
  return begin_body(connection, writer);
}

Gate::Impl::Next Gate::Impl::begin_body(Connection& connection, ReplyWriter& writer) {
  const RequestHead& head = connection.head;
  const bool stream = connection.admission->match.route->body == BodyPlan::kLines;
  const std::uint64_t bytes_max = connection.admission->body_bytes_max;
  if (head.content_length.value_or(0) > bytes_max) {
    return finish(connection, writer,
                  problem_reply(Problem::kBodyTooLarge,
                                "the limit is " + std::to_string(bytes_max) + " bytes"),
                  true);
  }
  if (!stream && head.has_body() &&
      !charge_body(connection, head.content_length.value_or(bytes_max))) {
    return finish(connection, writer,
                  problem_reply(Problem::kOverloaded, "too many bodies are on their way"), true);
  }
  if (head.expects_continue) {
    // 25 bytes into an empty send buffer. If they do not fit, the client is not one to wait for.
    send(connection.socket, kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (stream) return answer_stream(connection, writer);
  switch (connection.take_body()) {
    case BodyProgress::kComplete:
      return answer(connection, writer);
    case BodyProgress::kNeedsMore:
      connection.stage = Stage::kBody;
      return Next::kGiveBack;
    case BodyProgress::kTooLarge:
      return finish(connection, writer,
                    problem_reply(Problem::kBodyTooLarge, "the chunked body cannot be taken"),
                    true);
    case BodyProgress::kMalformed:
      break;
  }
  return finish(connection, writer,
                problem_reply(Problem::kMalformedRequest, "the chunked body cannot be taken"),
                true);
}

// What becomes of a request whose answer comes later:
// - the answer comes first: this worker makes it.
// - this worker lets go first: whoever calls `later` hands the connection to the next worker.
// - its client goes away: the connection is in nobody's epoll set; the answer's write fails, and
//   the request has happened all the same.
// - the gate stops: it waits for the answer, however long the grace is.
Gate::Impl::Next Gate::Impl::answer(Connection& connection, ReplyWriter& writer) {
  trim_charge(connection);
  connection.stage = Stage::kAwaited;
  connection.holders = 2;  // this worker and the desk
  const auto later = [this, &connection](MakeReply make) {
    connection.make_reply = std::move(make);
    if (--connection.holders == 0) ready_.put(connection);
  };
  const auto reply = guarded<std::optional<Reply>>([&] {
    return desk_.answer(connection.head, *connection.admission, std::string_view(connection.body),
                        later);
  });
  if (reply) return finish(connection, writer, *reply, false);
  // What was made of the body is about as large as it was: it stays charged until the answer.
  connection.body.clear();
  return --connection.holders == 0 ? settle(connection, writer) : Next::kLeave;
}

// The answer that was awaited.
Gate::Impl::Next Gate::Impl::settle(Connection& connection, ReplyWriter& writer) {
  const MakeReply make = std::exchange(connection.make_reply, nullptr);
  return finish(connection, writer, guarded<Reply>(make), false);
}

Gate::Impl::Next Gate::Impl::answer_stream(Connection& connection, ReplyWriter& writer) {
  if (streams_.fetch_add(1) >= limits_.streams_max) {
    --streams_;
    return finish(connection, writer,
                  problem_reply(Problem::kOverloaded, "too many imports are running"), true);
  }
  SocketBody body(connection, connection.admission->body_bytes_max, limits_.body_timeout);
  const Reply reply = guarded<Reply>([&] {
    return desk_.answer(connection.head, *connection.admission, static_cast<BodySource&>(body));
  });
  --streams_;
  return finish(connection, writer, reply, !body.complete());
}

Gate::Impl::Next Gate::Impl::finish(Connection& connection, ReplyWriter& writer, const Reply& reply,
                                    bool close) {
  release_body(connection);
  const Route* const route = connection.admission ? connection.admission->match.route : nullptr;
  desk_.on_answered(connection.head, route, reply.status, Steady::now() - connection.began);
  connection.take_over = connection.head.method == "HEAD" ? nullptr : reply.take_over;
  connection.close_after = close || !connection.head.keep_alive || stopping_ ||
                           reply.take_over != nullptr ||
                           connection.requests + 1 >= kRequestsPerConnectionMax;
  connection.output = writer.bytes_of(reply, connection.head.method, connection.close_after);
  connection.stage = Stage::kWriting;
  // Nearly always the whole of it, here; the gate's thread does the rest.
  if (!connection.flush()) connection.stage = Stage::kClosed;
  return Next::kGiveBack;
}

}  // namespace carillon::api
