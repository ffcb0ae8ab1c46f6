#include "tests/relay/api/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace carillon::api {

using Steady = std::chrono::steady_clock;

RawClient::RawClient(std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    end_ = true;
}

RawClient::~RawClient() {
  close(socket_);
}

bool RawClient::say(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawClient::receive(Steady::time_point deadline) {
  if (end_) return false;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Steady::now()).count();
  pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
  if (left <= 0 || poll(&wait, 1, static_cast<int>(left)) <= 0) return false;
  std::array<char, 16384> buffer;
  const ssize_t got = recv(socket_, buffer.data(), buffer.size(), 0);
  if (got <= 0) {
    end_ = true;
    return false;
  }
  input_.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

bool RawClient::readable(std::chrono::milliseconds wait) const {
  pollfd polled{.fd = socket_, .events = POLLIN, .revents = 0};
  return poll(&polled, 1, static_cast<int>(wait.count())) > 0;
}

std::optional<std::string> RawClient::read_through(std::string_view end) {
  const auto deadline = Steady::now() + kDeadline;
  while (true) {
    if (const std::size_t at = input_.find(end); at != std::string::npos) {
      std::string taken = input_.substr(0, at + end.size());
      input_.erase(0, taken.size());
      return taken;
    }
    if (!receive(deadline)) return std::nullopt;
  }
}

std::optional<RawAnswer> RawClient::answer(bool head_only) {
  const auto head = read_through("\r\n\r\n");
  if (!head) return std::nullopt;
  RawAnswer out;
  out.status = std::atoi(head->c_str() + std::min<std::size_t>(9, head->size()));
  std::size_t at = head->find("\r\n") + 2;
  while (at < head->size() - 2) {
    const std::size_t end = head->find("\r\n", at);
    const std::string line = head->substr(at, end - at);
    at = end + 2;
    const std::size_t colon = line.find(": ");
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(c | (c >= 'A' && c <= 'Z' ? 0x20 : 0));
    out.fields[name] = line.substr(std::min(colon + 2, line.size()));
  }
  if (!head_only && out.fields["transfer-encoding"] == "chunked") {
    while (true) {
      const auto size = read_through("\r\n");
      if (!size) return std::nullopt;
      const std::size_t bytes = std::stoul(*size, nullptr, 16);
      const auto limit = Steady::now() + kDeadline;
      while (input_.size() < bytes + 2) {
        if (!receive(limit)) return std::nullopt;
      }
      out.body += input_.substr(0, bytes);
      input_.erase(0, bytes + 2);
      if (bytes == 0) return out;
    }
  }
  const std::size_t length = head_only || !out.fields.contains("content-length")
                                 ? 0
                                 : std::stoul(out.fields["content-length"]);
  const auto deadline = Steady::now() + kDeadline;
  while (input_.size() < length) {
    if (!receive(deadline)) return std::nullopt;
  }
  out.body = input_.substr(0, length);
  input_.erase(0, length);
  return out;
}

std::optional<RawAnswer> RawClient::ask(std::string_view bytes) {
  say(bytes);
  return answer();
}

bool RawClient::closed() {
  const auto deadline = Steady::now() + kDeadline;
  while (receive(deadline)) input_.clear();
  return end_;
}

std::string request(std::string_view method, std::string_view target, std::string_view fields,
                    std::string_view body) {
  std::string out(method);
  out += " " + std::string(target) + " HTTP/1.1\r\nHost: relay\r\n" + std::string(fields);
  if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return out + "\r\n" + std::string(body);
}

}  // namespace carillon::api
