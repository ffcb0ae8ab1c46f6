#include "relay/api/reply_writer.h"

#include <httplib.h>

#include <algorithm>
#include <functional>

namespace carillon::api {
namespace {

// What httplib reads from is ours; what it writes is kept.
class MemoryStream : public httplib::Stream {
 public:
  explicit MemoryStream(std::string input) : input_(std::move(input)) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* out, std::size_t size) override {
    const std::size_t taken = input_.copy(out, size, position_);
    position_ += taken;
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* bytes, std::size_t size) override {
    written.append(bytes, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

  std::string written;

 private:
  std::string input_;
  std::size_t position_ = 0;
};

}  // namespace

// Replays a request that the gate has let through to httplib's own `process_request`, as a line of
// our own words: not one byte of what httplib parses comes from a client.
class ReplyWriter::Replay : public httplib::Server {
 public:
  Replay(std::chrono::milliseconds idle_timeout, std::size_t requests_max) {
    set_keep_alive_timeout(std::max<time_t>(1, idle_timeout.count() / 1000));
    set_keep_alive_max_count(requests_max);
    set_pre_routing_handler([this](const httplib::Request&, httplib::Response& response) {
      fill(*reply_, response);
      return HandlerResponse::Handled;
    });
  }

  std::string run(const Reply& reply, std::string_view method, bool close) {
    reply_ = &reply;
    std::string request = method == "HEAD" ? "HEAD" : "GET";
    request += " / HTTP/1.1\r\nHost: carillon\r\n";
    request += close ? "Connection: close\r\n\r\n" : "\r\n";
    MemoryStream stream(std::move(request));
    bool closed = false;
    process(*this, stream, close, closed);
    return std::move(stream.written);
  }

 private:
  // The addresses are arguments since 0.17 (Debian 13 has 0.18); before, the stream was asked.
  template <class Self>
  static void process(Self& self, httplib::Stream& stream, bool close, bool& closed) {
    const std::string no_address;
    if constexpr (requires {
                    self.process_request(stream, no_address, 0, no_address, 0, close, closed,
                                         nullptr);
                  }) {
      self.process_request(stream, no_address, 0, no_address, 0, close, closed, nullptr);
    } else {
      self.process_request(stream, close, closed, nullptr);
    }
  }

  static void fill(const Reply& reply, httplib::Response& response) {
    response.status = reply.status;
    for (const auto& [name, value] : reply.headers) response.set_header(name, value);
    if (reply.take_over) {
      // A body without a length, that others will write.
      response.set_content_provider(reply.content_type, [](std::size_t, httplib::DataSink& sink) {
        sink.done();
        return true;
      });
    } else if (!reply.body.empty()) {
      response.set_content(reply.body, reply.content_type);
    }
  }

  const Reply* reply_ = nullptr;
};

ReplyWriter::ReplyWriter(std::chrono::milliseconds idle_timeout, std::size_t requests_max)
    : replay_(std::make_unique<Replay>(idle_timeout, requests_max)) {}

ReplyWriter::~ReplyWriter() = default;

std::string ReplyWriter::bytes_of(const Reply& reply, std::string_view method, bool close) {
  return replay_->run(reply, method, close);
}

}  // namespace carillon::api
