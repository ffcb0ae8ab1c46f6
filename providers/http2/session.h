// The HTTP/2 protocol without I/O: requests and bytes in, bytes and ended requests out.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "providers/http2/request_head.h"
#include "providers/http2/stream.h"

namespace carillon::push::http2 {

// What a peer said when it closed the connection.
struct Goaway {
  std::int32_t last_stream_id = 0;
  std::uint32_t error_code = 0;
  std::string reason;  // the debug data's JSON "reason", else its printable text; may be empty
};

// A client's side of one connection. One thread. nghttp2's callbacks only note what they were told;
// whoever drives the session reads the notes after `receive` and `produce` and acts on them.
//
//   start() ──▶ open ──▶ ended() ──▶ release()      every stream, exactly once each way
class Session {
 public:
  // `streams_max`: the most requests at once, whatever the peer allows.
  explicit Session(std::size_t streams_max);
  ~Session();  // no stream may be held: abandon and release them first
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Bytes from the peer, cut anywhere. An error means that the connection must end.
  tl::expected<void, std::string> receive(std::span<const std::uint8_t> bytes);

  // Appends what is to be sent, until there is nothing more or `out` holds `high_water` bytes
  // (exceeded by at most one frame, kFrameBytesMax, or one request's headers). An error means that
  // the connection must end.
  tl::expected<void, std::string> produce(std::vector<std::uint8_t>& out, std::size_t high_water);
  static constexpr std::size_t kFrameBytesMax = 9 + 16'384;

  // How many requests may start now. 0 until the peer's first SETTINGS: what it allows is not known
  // before (Apple's token-authenticated connections begin with one).
  std::size_t room() const noexcept {
    const std::size_t limit = stream_limit();
    return limit > open_count_ ? limit - open_count_ : 0;
  }
  std::size_t stream_limit() const noexcept { return accepting() ? stream_limit_ : 0; }
  std::size_t open_count() const noexcept { return open_count_; }

  // An unused slot. It must be given back by `release`, started or not.
  Stream& acquire();
  // Queues the request; its bytes come with the next `produce`. Requires room() > 0. False: the
  // session cannot (stream ids are used up); the slot is still the caller's.
  bool start(Stream& stream);
  // The slot is free for another request. Requires that it has ended or was never started.
  void release(Stream& stream);

  // Tells the peer to forget a request; it is among the ended once that has been produced.
  void cancel(Stream& stream);

  // Streams that have ended since the last call; each to be released. The span is valid until the
  // next call of any function of this class but `release`.
  std::span<Stream* const> take_ended();

  // The connection is gone: ends every open stream, kNotSent if none of its bytes is among the
  // first `handed_bytes` of what was produced, else kUnanswered.
  void abandon(std::uint64_t handed_bytes, const char* word);

  // Open streams in the order they started, so the first is the oldest.
  Stream* oldest() const noexcept { return oldest_; }

  // Nothing more will be said in either direction. `complaint` then tells why, if the peer broke
  // the protocol; it may be empty.
  bool finished() const noexcept;
  const std::string& complaint() const noexcept { return complaint_; }

  void submit_ping();
  // Tells the peer that this side is about to leave.
  void submit_goaway();

  bool has_settings() const noexcept { return has_settings_; }
  const std::optional<Goaway>& goaway() const noexcept { return goaway_; }
  std::uint64_t pongs() const noexcept { return pongs_; }
  // False after GOAWAY in either direction, or when stream ids run out.
  bool accepting() const noexcept { return has_settings_ && !closing_; }

 private:
  friend struct SessionCallbacks;

  void open(Stream& stream);
  void close(Stream& stream, Ending ending, const char* word);
  Stream* begun_by(std::span<const std::uint8_t> frame);
  void write_head(const Stream& stream, std::uint8_t flags, std::vector<std::uint8_t>& out);
  const char* goaway_word();
  void note_settings(const nghttp2_settings& settings);
  void read_settings();

  struct Deleter {
    void operator()(nghttp2_session* session) const noexcept { nghttp2_session_del(session); }
  };
  std::unique_ptr<nghttp2_session, Deleter> session_;
  HeaderEncoder encoder_;
  std::vector<std::uint8_t> block_;
  const std::size_t streams_max_;
  std::size_t stream_limit_ = 0;
  std::size_t open_count_ = 0;
  std::size_t held_count_ = 0;
  std::uint64_t produced_ = 0;

  std::deque<Stream> slots_;  // addresses stay
  std::vector<Stream*> free_;
  std::vector<Stream*> ended_;
  std::vector<Stream*> taken_;
  Stream* oldest_ = nullptr;
  Stream* newest_ = nullptr;
  Stream* unproduced_ = nullptr;  // the first open stream that is not on the wire

  // Answers come as runs of callbacks for one stream: the last lookup mostly serves the next.
  std::int32_t looked_up_id_ = 0;
  Stream* looked_up_ = nullptr;

  bool has_settings_ = false;
  bool settings_changed_ = false;
  std::vector<std::uint32_t> table_sizes_;  // the peer's, not yet told to the encoder
  bool closing_ = false;
  std::optional<Goaway> goaway_;
  std::deque<std::string> goaway_words_;  // addresses stay
  std::uint64_t pongs_ = 0;
  std::string complaint_;
};

}  // namespace carillon::push::http2
