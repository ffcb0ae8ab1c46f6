#include "relay/api/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace carillon::api {
namespace {

constexpr std::size_t kStreamReadBytes = 64 * 1024;

}  // namespace

Connection::~Connection() {
  if (const int fd = socket.exchange(-1); fd >= 0) close(fd);
}

BodyProgress Connection::take_body() {
  const std::uint64_t bytes_max = admission->body_bytes_max;
  if (!head.chunked) {
    const std::uint64_t length = head.content_length.value_or(0);
    if (length > bytes_max) return BodyProgress::kTooLarge;
    const std::size_t take = std::min<std::size_t>(input.size(), length - body.size());
    body.append(input, 0, take);
    input.erase(0, take);
    return body.size() == length ? BodyProgress::kComplete : BodyProgress::kNeedsMore;
  }
  std::size_t used = 0;
  BodyProgress progress = BodyProgress::kNeedsMore;
  while (progress == BodyProgress::kNeedsMore) {
    const auto step = chunks.next(std::string_view(input).substr(used));
    used += step.used;
    if (step.step == ChunkedDecoder::Step::kNeedsMore) break;
    if (step.step == ChunkedDecoder::Step::kMalformed) return BodyProgress::kMalformed;
    if (step.step == ChunkedDecoder::Step::kEnd) progress = BodyProgress::kComplete;
    if (step.data.size() > bytes_max - body.size()) return BodyProgress::kTooLarge;
    body += step.data;
  }
  input.erase(0, used);
  return progress;
}

bool Connection::flush() {
  while (!flushed()) {
    const ssize_t sent =
        send(socket, output.data() + written, output.size() - written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      written += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno != EINTR) {
      return false;
    }
  }
  output.clear();
  written = 0;
  return true;
}

void Connection::next_request() {
  ++requests;
  stage = Stage::kHead;
  scanned = 0;
  head = RequestHead();
  admission.reset();
  body.clear();
  body.shrink_to_fit();
  chunks = ChunkedDecoder();
}

SocketBody::SocketBody(Connection& connection, std::uint64_t bytes_max,
                       std::chrono::milliseconds timeout)
    : connection_(connection), bytes_max_(bytes_max), timeout_(timeout) {}

// Into the empty `input`. The end of the stream is a fault here: the body was not complete.
tl::expected<void, Problem> SocketBody::receive() {
  connection_.input.resize(kStreamReadBytes);
  while (true) {
    const ssize_t got =
        recv(connection_.socket, connection_.input.data(), connection_.input.size(), MSG_DONTWAIT);
    if (got > 0) {
      connection_.input.resize(static_cast<std::size_t>(got));
      return {};
    }
    const bool must_wait = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (!must_wait && !(got < 0 && errno == EINTR)) break;
    pollfd wait{.fd = connection_.socket, .events = POLLIN, .revents = 0};
    const int ready = must_wait ? poll(&wait, 1, static_cast<int>(timeout_.count())) : 1;
    if (ready == 0) {
      connection_.input.clear();
      return tl::unexpected(Problem::kRequestTimeout);
    }
  }
  connection_.input.clear();
  return tl::unexpected(Problem::kMalformedRequest);
}

tl::expected<std::string_view, Problem> SocketBody::count(std::string_view data) {
  if (data.size() > bytes_max_ - bytes_) return tl::unexpected(Problem::kBodyTooLarge);
  bytes_ += data.size();
  return data;
}

tl::expected<std::string_view, Problem> SocketBody::next() {
  connection_.input.erase(0, used_);
  used_ = 0;
  const RequestHead& head = connection_.head;
  while (!complete_) {
    if (!head.chunked && bytes_ == head.content_length.value_or(0)) {
      complete_ = true;
      break;
    }
    if (connection_.input.empty()) {
      if (const auto received = receive(); !received) return tl::unexpected(received.error());
    }
    if (!head.chunked) {
      used_ = std::min<std::size_t>(connection_.input.size(), *head.content_length - bytes_);
      return count(std::string_view(connection_.input).substr(0, used_));
    }
    const auto step = connection_.chunks.next(connection_.input);
    if (step.step == ChunkedDecoder::Step::kMalformed) {
      return tl::unexpected(Problem::kMalformedRequest);
    }
    if (step.step == ChunkedDecoder::Step::kData) {
      used_ = step.used;
      return count(step.data);
    }
    connection_.input.erase(0, step.used);
    complete_ = step.step == ChunkedDecoder::Step::kEnd;
  }
  return std::string_view();
}

}  // namespace carillon::api
