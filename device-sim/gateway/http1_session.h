#pragma once

#include <cstddef>
#include <string>

#include "device-sim/gateway/gateway.h"
#include "device-sim/gateway/protocol_session.h"

namespace device_sim {

// HTTP/1.1 (RFC 9112) with keep-alive and pipelining, bodies by Content-Length or chunked. What is
// malformed is answered 400 (a head over its limit 431) and ends the connection.
class Http1Session final : public ProtocolSession {
 public:
  explicit Http1Session(Gateway& gateway) : gateway_(gateway) {}

  void receive(std::string_view bytes) override;
  void produce(std::string& out) override;
  State state() const override { return state_; }
  std::optional<Time> next_due() const override;
  void release_due(Time now) override;

 private:
  enum class Step { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailer, kDelayed };

  // Each consumes what it can; false when more bytes are needed.
  bool advance();
  bool read_head();
  bool read_head_fields(std::string_view head);
  bool read_body();
  bool read_chunk_size();
  bool read_chunk_end();
  bool read_trailer();

  bool begin_body();
  void complete();
  void write_answer();
  void refuse(int status, std::string_view reason);

  Gateway& gateway_;
  State state_ = State::kOpen;
  Step step_ = Step::kHead;
  bool closes_ = false;  // after the answer to the current request
  bool is_finishing_ = false;
  std::string in_;
  std::size_t used_ = 0;  // of in_
  std::size_t body_left_ = 0;
  std::string transfer_encoding_;
  std::string connection_;
  bool expects_continue_ = false;
  Request request_;
  Response response_;
  Time due_{};
  std::string out_;
};

}  // namespace device_sim
