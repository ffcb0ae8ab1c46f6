#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "device-sim/gateway/client_connection.h"
#include "device-sim/gateway/gateway.h"
#include "device-sim/gateway/header_decoder.h"
#include "device-sim/gateway/header_frames.h"
#include "device-sim/gateway/http2_limits.h"
#include "device-sim/gateway/protocol_session.h"

struct nghttp2_session;

namespace device_sim {

// HTTP/2 over nghttp2. Header checks are the gateway's: nghttp2's own would reset what real clients
// send and real services take (":scheme" as "https:").
//
// Header blocks are decoded here and not by nghttp2, which takes a third of a push's time for it:
// it is given each HEADERS frame with a block of one byte, and does the rest of the protocol.
//
// A GOAWAY names the highest stream whose request is complete. Lower ones are still answered when
// their requests are; higher ones, also those that have begun, are not processed. When the last
// answer is out the session is finished.
class Http2Session final : public ProtocolSession {
 public:
  Http2Session(Gateway& gateway, const Http2Limits& limits, ClientConnection client = {});
  ~Http2Session() override;
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  void receive(std::string_view bytes) override;
  void produce(std::string& out) override;
  State state() const override { return state_; }
  std::optional<Time> next_due() const override;
  void release_due(Time now) override;

 private:
  friend struct Http2Callbacks;

  struct Stream {
    std::int32_t id = 0;
    bool is_answered = false;
    std::size_t body_sent = 0;
    Request request;
    Response response;
  };
  struct Delayed {
    Time due;
    Stream* stream;
    std::int32_t id;
  };

  // Called from nghttp2's callbacks.
  void begin_stream(std::int32_t id);
  Stream* find(std::int32_t id);
  void complete(Stream& stream);
  void end_stream(std::int32_t id);

  void feed(std::string_view bytes);
  void take_block(const HeaderFrames::Piece& piece);
  void submit(Stream& stream);
  void go_away();
  void limit_streams();
  // The GOAWAY has promised that this one is not processed.
  bool is_left_behind(std::int32_t id) const { return going_away_ && id > last_complete_id_; }
  Stream& take_stream();

  Gateway& gateway_;
  const Http2Limits limits_;
  ClientConnection client_;
  bool is_limited_ = false;  // to one stream
  nghttp2_session* session_ = nullptr;
  State state_ = State::kOpen;
  bool going_away_ = false;
  std::int32_t last_complete_id_ = 0;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> free_;
  std::size_t open_count_ = 0;
  Stream* current_ = nullptr;  // the one that was looked up last
  HeaderFrames frames_;
  HeaderDecoder decoder_;
  Stream* next_ = nullptr;  // not open: has the head that was decoded last
  bool head_fits_ = true;
  bool deaf_ = false;  // the client has broken the protocol
  std::deque<Delayed> delayed_;
};

}  // namespace device_sim
