#include "providers/http2/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace carillon::push::http2 {
namespace {

// Answers of a push provider are small, but thousands may be on their way at once: a connection
// window of 64 KiB would stall them all behind one round trip.
constexpr std::int32_t kConnectionWindowBytes = 16 * 1024 * 1024;
constexpr std::size_t kGoawayReasonBytesMax = 200;
constexpr std::size_t kGoawayWordsMax = 4;
constexpr std::size_t kRetryAfterBytesMax = 64;
constexpr std::size_t kWnsStatusBytesMax = 64;  // its words have some ten letters
constexpr std::uint32_t kNoPush = 0;
constexpr std::size_t kFrameHeaderBytes = 9;
// RFC 9113, 6.5.2: what every peer takes.
constexpr std::size_t kPayloadBytesMax = 16'384;
// What nghttp2 is told of a request's headers: a byte on the wire, no place in any table, and never
// sent, as `write_head` puts the request's own in its place.
const nghttp2_nv kMethodOnly = header_of(":method", "POST");

struct OptionDeleter {
  void operator()(nghttp2_option* option) const noexcept { nghttp2_option_del(option); }
};
struct CallbacksDeleter {
  void operator()(nghttp2_session_callbacks* callbacks) const noexcept {
    nghttp2_session_callbacks_del(callbacks);
  }
};

std::uint32_t read_u32(const std::uint8_t* bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | static_cast<std::uint32_t>(bytes[3]);
}

std::string printable(std::string_view text) {
  std::string result(text.substr(0, kGoawayReasonBytesMax));
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return result;
}

// Apple sends {"reason":"…"}, others send plain text, most send nothing.
std::string goaway_reason(std::string_view debug_data) {
  const auto json = nlohmann::json::parse(debug_data, nullptr, /*allow_exceptions=*/false);
  if (json.is_object()) {
    const auto reason = json.find("reason");
    if (reason != json.end() && reason->is_string()) {
      return printable(reason->get_ref<const std::string&>());
    }
  }
  return printable(debug_data);
}

ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t length,
                  std::uint32_t* flags, nghttp2_data_source* source, void*) noexcept {
  auto& stream = *static_cast<Stream*>(source->ptr);
  std::size_t copied = 0;
  while (stream.piece < stream.body.size()) {
    const std::string_view rest = stream.body[stream.piece].substr(stream.piece_offset);
    const std::size_t size = std::min(rest.size(), length - copied);
    if (size > 0) std::memcpy(buffer + copied, rest.data(), size);  // a view of nothing may be null
    copied += size;
    if (size < rest.size()) {
      stream.piece_offset += size;
      return static_cast<ssize_t>(copied);
    }
    ++stream.piece;
    stream.piece_offset = 0;
  }
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(copied);
}

}  // namespace

// nghttp2 calls these in the middle of its own work: they note a fact and return. The one call back
// into nghttp2 is the lookup of a stream's user data, which only reads.
struct SessionCallbacks {
  static Stream* find(Session& self, nghttp2_session* session, std::int32_t id) noexcept {
    if (self.looked_up_id_ != id) {
      self.looked_up_ = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
      self.looked_up_id_ = id;
    }
    return self.looked_up_;
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_length, const std::uint8_t* value,
                       std::size_t value_length, std::uint8_t, void* user_data) noexcept {
    auto& self = *static_cast<Session*>(user_data);
    const std::string_view key(reinterpret_cast<const char*>(name), name_length);
    if (key != ":status" && key != "retry-after" && key != "x-wns-status" &&
        key != "apns-channel-id" && key != "apns-request-id") {
      return 0;
    }
    Stream* stream = find(self, session, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const std::string_view text(reinterpret_cast<const char*>(value), value_length);
    if (key.front() == ':') {  // nghttp2 has checked that it is three digits
      stream->status = static_cast<std::uint16_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 +
                                                  (text[2] - '0'));
    } else if (key.front() == 'r') {
      stream->retry_after.assign(text.substr(0, kRetryAfterBytesMax));
    } else if (key == "apns-channel-id") {
      stream->channel_id.assign(text.substr(0, kApnsHeaderBytesMax));
    } else if (key == "apns-request-id") {
      stream->request_id.assign(text.substr(0, kApnsHeaderBytesMax));
    } else {
      stream->wns_status.assign(text.substr(0, kWnsStatusBytesMax));
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                     const std::uint8_t* data, std::size_t length, void* user_data) noexcept {
    Stream* stream = find(*static_cast<Session*>(user_data), session, id);
    if (stream == nullptr || (stream->status == 200 && !stream->keep_body)) return 0;
    const std::size_t room = stream->answer_bytes_max - stream->answer_body.size();
    stream->answer_body.append(reinterpret_cast<const char*>(data), std::min(length, room));
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) noexcept {
    auto& self = *static_cast<Session*>(user_data);
    switch (frame->hd.type) {
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.note_settings(frame->settings);
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) ++self.pongs_;
        break;
      case NGHTTP2_GOAWAY: {
        self.closing_ = true;
        const auto& goaway = frame->goaway;
        std::string reason = goaway_reason(std::string_view(
            reinterpret_cast<const char*>(goaway.opaque_data), goaway.opaque_data_len));
        // A peer may send two: the first often without a reason (RFC 9113, 6.8).
        if (reason.empty() && self.goaway_) reason = std::move(self.goaway_->reason);
        self.goaway_ = Goaway{.last_stream_id = goaway.last_stream_id,
                              .error_code = goaway.error_code,
                              .reason = std::move(reason)};
        break;
      }
      default:
        break;
    }
    return 0;
  }

  static int on_error(nghttp2_session*, int, const char* message, std::size_t length,
                      void* user_data) noexcept {
    auto& self = *static_cast<Session*>(user_data);
    self.complaint_ = printable(std::string_view(message, length));
    return 0;
  }

  static int on_stream_close(nghttp2_session* session, std::int32_t id, std::uint32_t error_code,
                             void* user_data) noexcept {
    auto& self = *static_cast<Session*>(user_data);
    Stream* stream = find(self, session, id);
    self.looked_up_id_ = 0;
    if (stream == nullptr) return 0;
    // Below 200 they are interim answers (RFC 9110, 15.2), which answer nothing.
    if (error_code == NGHTTP2_NO_ERROR && stream->status >= 200) {
      self.close(*stream, Ending::kAnswered, "");
    } else if (error_code == NGHTTP2_REFUSED_STREAM) {
      // RFC 9113, 8.7: refused, or above the last stream of a GOAWAY: not processed.
      self.close(*stream, Ending::kNotSent, self.goaway_ ? self.goaway_word() : "StreamRefused");
    } else if (stream->wire_offset == Stream::kNotOnWire) {
      self.close(*stream, Ending::kNotSent, stream->timed_out ? "Timeout" : "StreamClosed");
    } else {
      self.close(*stream, Ending::kUnanswered, stream->timed_out ? "Timeout" : "StreamReset");
    }
    return 0;
  }
};

Session::Session(std::size_t streams_max) : streams_max_(streams_max) {
  nghttp2_session_callbacks* raw_callbacks = nullptr;
  nghttp2_option* raw_option = nullptr;
  nghttp2_session* raw_session = nullptr;
  // nghttp2's constructors fail only for want of memory.
  if (nghttp2_session_callbacks_new(&raw_callbacks) != 0) throw std::bad_alloc();
  std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter> callbacks(raw_callbacks);
  nghttp2_session_callbacks_set_on_header_callback(raw_callbacks, SessionCallbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw_callbacks,
                                                            SessionCallbacks::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(raw_callbacks, SessionCallbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(raw_callbacks,
                                                         SessionCallbacks::on_stream_close);
  nghttp2_session_callbacks_set_error_callback2(raw_callbacks, SessionCallbacks::on_error);
  if (nghttp2_option_new(&raw_option) != 0) throw std::bad_alloc();
  std::unique_ptr<nghttp2_option, OptionDeleter> option(raw_option);
  if (nghttp2_session_client_new2(&raw_session, raw_callbacks, this, raw_option) != 0) {
    throw std::bad_alloc();
  }
  session_.reset(raw_session);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, kNoPush}};
  if (nghttp2_submit_settings(raw_session, NGHTTP2_FLAG_NONE, settings, std::size(settings)) != 0 ||
      nghttp2_session_set_local_window_size(raw_session, NGHTTP2_FLAG_NONE, 0,
                                            kConnectionWindowBytes) != 0) {
    throw std::bad_alloc();
  }
}

Session::~Session() {
  assert(held_count_ == 0);
}

// "GoAway" and what the peer said. Streams point to it, also to an earlier one that they have ended
// with, so none is changed; a peer that goes on saying other words is no longer quoted.
const char* Session::goaway_word() {
  const std::string& reason = goaway_->reason;
  const std::string word = reason.empty() ? "GoAway" : fmt::format("GoAway: {}", reason);
  const auto known = std::ranges::find(goaway_words_, word);
  if (known != goaway_words_.end()) return known->c_str();
  if (goaway_words_.size() >= kGoawayWordsMax) return "GoAway";
  return goaway_words_.emplace_back(word).c_str();
}

tl::expected<void, std::string> Session::receive(std::span<const std::uint8_t> bytes) {
  const ssize_t consumed = nghttp2_session_mem_recv(session_.get(), bytes.data(), bytes.size());
  if (settings_changed_) read_settings();
  if (consumed < 0) {
    closing_ = true;
    return tl::unexpected(
        fmt::format("HTTP/2 error: {}", nghttp2_strerror(static_cast<int>(consumed))));
  }
  return {};
}

void Session::note_settings(const nghttp2_settings& settings) {
  settings_changed_ = true;
  for (std::size_t i = 0; i < settings.niv; ++i) {
    if (settings.iv[i].settings_id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE) {
      table_sizes_.push_back(settings.iv[i].value);
    }
  }
}

void Session::read_settings() {
  settings_changed_ = false;
  for (const std::uint32_t bytes : table_sizes_) encoder_.resize_table(bytes);
  table_sizes_.clear();
  has_settings_ = true;
  const std::uint32_t limit =
      nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  stream_limit_ = std::min<std::size_t>(limit, streams_max_);
}

tl::expected<void, std::string> Session::produce(std::vector<std::uint8_t>& out,
                                                 std::size_t high_water) {
  while (out.size() < high_water) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
    if (size == 0) break;
    if (size < 0) {
      closing_ = true;
      return tl::unexpected(
          fmt::format("HTTP/2 error: {}", nghttp2_strerror(static_cast<int>(size))));
    }
    const std::span<const std::uint8_t> frame(data, static_cast<std::size_t>(size));
    const std::size_t before = out.size();
    if (Stream* stream = begun_by(frame)) {
      stream->wire_offset = produced_;
      write_head(*stream, frame[4], out);
    } else {
      out.insert(out.end(), frame.begin(), frame.end());
    }
    produced_ += out.size() - before;
  }
  return {};
}

// The stream whose request begins with this frame. nghttp2 sends HEADERS in the order in which
// requests were submitted, so it is found by walking on, not by looking up.
Stream* Session::begun_by(std::span<const std::uint8_t> frame) {
  if (unproduced_ == nullptr || frame.size() < kFrameHeaderBytes) return nullptr;
  if (frame[3] != NGHTTP2_HEADERS) return nullptr;
  const auto id = static_cast<std::int32_t>(read_u32(&frame[5]) & 0x7fff'ffffu);
  while (unproduced_ != nullptr && unproduced_->id < id) unproduced_ = unproduced_->next;
  if (unproduced_ == nullptr || unproduced_->id != id) return nullptr;
  return std::exchange(unproduced_, unproduced_->next);
}

// In place of the HEADERS frame that nghttp2 has made of kMethodOnly: the same stream and flags,
// the request's own header block (RFC 9113, 6.2 and 6.10). Encoded here and not at the start,
// because a request that is cancelled before leaves no frame, and the peer's table must not miss a
// block.
void Session::write_head(const Stream& stream, std::uint8_t flags, std::vector<std::uint8_t>& out) {
  block_.clear();
  encoder_.encode(*stream.head, stream.path, {stream.id_text.data(), stream.id_text.size()},
                  block_);
  std::uint8_t type = NGHTTP2_HEADERS;
  std::size_t at = 0;
  do {
    const std::size_t size = std::min(block_.size() - at, kPayloadBytesMax);
    const bool last = at + size == block_.size();
    // END_STREAM stands on the first frame, END_HEADERS on the last.
    const auto own_flags = static_cast<std::uint8_t>(
        (at == 0 ? flags & NGHTTP2_FLAG_END_STREAM : 0) | (last ? NGHTTP2_FLAG_END_HEADERS : 0));
    const auto id = static_cast<std::uint32_t>(stream.id);
    const std::array<std::uint8_t, kFrameHeaderBytes> header = {
        static_cast<std::uint8_t>(size >> 16),
        static_cast<std::uint8_t>(size >> 8),
        static_cast<std::uint8_t>(size),
        type,
        own_flags,
        static_cast<std::uint8_t>(id >> 24),
        static_cast<std::uint8_t>(id >> 16),
        static_cast<std::uint8_t>(id >> 8),
        static_cast<std::uint8_t>(id)};
    out.insert(out.end(), header.begin(), header.end());
    const auto piece = block_.begin() + static_cast<std::ptrdiff_t>(at);
    out.insert(out.end(), piece, piece + static_cast<std::ptrdiff_t>(size));
    type = NGHTTP2_CONTINUATION;
    at += size;
  } while (at < block_.size());
}

Stream& Session::acquire() {
  if (free_.empty()) free_.push_back(&slots_.emplace_back());
  Stream& stream = *free_.back();
  free_.pop_back();
  ++held_count_;
  return stream;
}

bool Session::start(Stream& stream) {
  assert(room() > 0 && stream.head != nullptr);
  stream.ending = Ending::kOpen;
  stream.word = "";
  stream.status = 0;
  stream.answer_body.clear();
  stream.retry_after.clear();
  stream.wns_status.clear();
  stream.channel_id.clear();
  stream.request_id.clear();
  stream.wire_offset = Stream::kNotOnWire;
  stream.timed_out = false;
  stream.piece = 0;
  stream.piece_offset = 0;
  nghttp2_data_provider body{.source = {.ptr = &stream}, .read_callback = read_body};
  const bool has_body =
      !stream.body[0].empty() || !stream.body[1].empty() || !stream.body[2].empty();
  stream.id = nghttp2_submit_request(session_.get(), nullptr, &kMethodOnly, 1,
                                     has_body ? &body : nullptr, &stream);
  if (stream.id < 0) {  // ids used up, after a thousand million requests: time for a new connection
    closing_ = true;
    return false;
  }
  open(stream);
  return true;
}

void Session::open(Stream& stream) {
  stream.next = nullptr;
  stream.previous = newest_;
  (newest_ != nullptr ? newest_->next : oldest_) = &stream;
  newest_ = &stream;
  if (unproduced_ == nullptr) unproduced_ = &stream;
  ++open_count_;
}

void Session::close(Stream& stream, Ending ending, const char* word) {
  assert(stream.ending == Ending::kOpen);
  stream.ending = ending;
  stream.word = word;
  if (unproduced_ == &stream) unproduced_ = stream.next;
  (stream.previous != nullptr ? stream.previous->next : oldest_) = stream.next;
  (stream.next != nullptr ? stream.next->previous : newest_) = stream.previous;
  stream.previous = stream.next = nullptr;
  --open_count_;
  ended_.push_back(&stream);
}

void Session::release(Stream& stream) {
  stream.owner = nullptr;
  if (stream.answer_body.capacity() > 1024) stream.answer_body = {};
  free_.push_back(&stream);
  assert(held_count_ > 0);
  --held_count_;
}

void Session::cancel(Stream& stream) {
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_CANCEL);
}

std::span<Stream* const> Session::take_ended() {
  taken_.clear();
  taken_.swap(ended_);
  return taken_;
}

void Session::abandon(std::uint64_t handed_bytes, const char* word) {
  closing_ = true;
  while (oldest_ != nullptr) {
    const bool sent = oldest_->wire_offset < handed_bytes;
    close(*oldest_, sent ? Ending::kUnanswered : Ending::kNotSent,
          oldest_->timed_out ? "Timeout" : word);
  }
}

bool Session::finished() const noexcept {
  return nghttp2_session_want_read(session_.get()) == 0 &&
         nghttp2_session_want_write(session_.get()) == 0;
}

void Session::submit_ping() {
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
}

void Session::submit_goaway() {
  closing_ = true;
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
}

}  // namespace carillon::push::http2
