// A provider on loopback: TLS sockets around ServerSession, on a thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/providers/test_credentials.h"
#include "tests/providers/test_server_session.h"

namespace carillon::push::test {

class TestServer {
 public:
  struct Options {
    CertificateFiles certificate = TestCredentials::shared().localhost();
    std::optional<std::uint32_t> streams_max = std::nullopt;
    std::optional<std::uint32_t> window_bytes = std::nullopt;
    // Called on the server's thread.
    std::function<ServerReply(const ServerRequest&)> handler = [](const ServerRequest&) {
      return ServerReply::ok();
    };
    // Asks for a client certificate of this authority (PEM file) and ends a handshake without one.
    std::string client_ca = {};
    bool speaks_h2 = true;  // chooses h2 by ALPN
    bool mute = false;      // accepts, and never says a word
    std::uint16_t port = 0;
    std::string address = "0.0.0.0";
  };

  explicit TestServer(Options options);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::uint16_t port() const;
  // By name or by address; the certificate names both.
  std::string url(const std::string& host = "localhost") const;

  // The UID of the client certificate's subject, for each connection in turn.
  std::vector<std::string> client_uids() const;

  int accepted() const;
  int alive() const;
  std::vector<ServerRequest> requests() const;
  int pings() const;
  int resets() const;  // RST_STREAM frames from clients
  bool saw_goaway() const;

  // For every live session, on the server's thread; returns when done and sent.
  void each_session(const std::function<void(ServerSession&)>& act);
  void cut_all();
  // Neither reads nor writes any more, on connections there are.
  void go_deaf();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace carillon::push::test
