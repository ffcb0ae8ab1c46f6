#include "device-sim/gateway/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace device_sim {
namespace {

// RFC 9113's default for a stream, and much for the connection, so that it never limits a sender of
// small requests.
constexpr std::int32_t kConnectionWindowBytes = 16 << 20;

std::string_view status_text(int status) {
  switch (status) {
    case 200:
      return "200";
    case 201:
      return "201";
    case 204:
      return "204";
    case 400:
      return "400";
    case 401:
      return "401";
    case 403:
      return "403";
    case 404:
      return "404";
    case 405:
      return "405";
    case 410:
      return "410";
    case 413:
      return "413";
    case 429:
      return "429";
    case 503:
      return "503";
    default:
      assert(false && "a gateway answers with a status of its tables");
      return "500";
  }
}

// No copies: names are literals, values live in the stream until it is closed.
nghttp2_nv header(std::string_view name, std::string_view value, std::uint8_t flags = 0) {
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          static_cast<std::uint8_t>(NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                                    flags)};
}

template <typename T>
void require(T code) {
  if (code != 0) throw std::runtime_error("nghttp2 is out of memory");
}

}  // namespace

// nghttp2's C callbacks: note a fact and return.
struct Http2Callbacks {
  static Http2Session& self(void* user_data) { return *static_cast<Http2Session*>(user_data); }

  static bool opens_request(const nghttp2_frame* frame) {
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame,
                              void* user_data) noexcept {
    if (!self(user_data).head_fits_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // a reset
    if (opens_request(frame)) self(user_data).begin_stream(frame->hd.stream_id);
    return 0;
  }

  static int on_data_chunk(nghttp2_session*, std::uint8_t, std::int32_t stream_id,
                           const std::uint8_t* data, std::size_t length, void* user_data) noexcept {
    if (Http2Session::Stream* stream = self(user_data).find(stream_id)) {
      stream->request.append_body({reinterpret_cast<const char*>(data), length});
    }
    return 0;
  }

  static int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user_data) noexcept {
    const bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!may_end || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    Http2Session& session = self(user_data);
    if (Http2Session::Stream* stream = session.find(frame->hd.stream_id)) {
      session.complete(*stream);
    }
    return session.state_ == ProtocolSession::State::kCut ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }

  static int on_stream_close(nghttp2_session*, std::int32_t stream_id, std::uint32_t,
                             void* user_data) noexcept {
    self(user_data).end_stream(stream_id);
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) noexcept {
    auto& stream = *static_cast<Http2Session::Stream*>(source->ptr);
    const std::size_t left = stream.response.body.size() - stream.body_sent;
    const std::size_t length = std::min(left, room);
    std::memcpy(buffer, stream.response.body.data() + stream.body_sent, length);
    stream.body_sent += length;
    if (length == left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(length);
  }
};

namespace {

nghttp2_session_callbacks* make_callbacks() {
  nghttp2_session_callbacks* callbacks = nullptr;
  require(nghttp2_session_callbacks_new(&callbacks));
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks,
                                                          Http2Callbacks::on_begin_headers);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                            Http2Callbacks::on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Http2Callbacks::on_frame_recv);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                         Http2Callbacks::on_stream_close);
  return callbacks;
}

nghttp2_option* make_option() {
  nghttp2_option* option = nullptr;
  require(nghttp2_option_new(&option));
  nghttp2_option_set_no_http_messaging(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  return option;
}

}  // namespace

Http2Session::Http2Session(Gateway& gateway, const Http2Limits& limits, ClientConnection client)
    : gateway_(gateway),
      limits_(limits),
      client_(std::move(client)),
      is_limited_(limits.one_until_authenticated && !client_.is_authenticated) {
  nghttp2_session_callbacks* callbacks = make_callbacks();
  nghttp2_option* option = make_option();
  const int made = nghttp2_session_server_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  require(made);
  const std::array<nghttp2_settings_entry, 2> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, is_limited_ ? 1 : limits.max_concurrent_streams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(kRequestHeadBytesMax)},
  }};
  require(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
  require(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                kConnectionWindowBytes));
}

Http2Session::~Http2Session() {
  nghttp2_session_del(session_);
  gateway_.counters().streams_open.subtract(open_count_);
}

void Http2Session::receive(std::string_view bytes) {
  while (!bytes.empty() && state_ == State::kOpen && !deaf_) {
    const HeaderFrames::Piece piece = frames_.next(bytes);
    switch (piece.kind) {
      case HeaderFrames::Kind::kOther:
        feed(piece.bytes);
        break;
      case HeaderFrames::Kind::kBlock:
        take_block(piece);
        break;
      case HeaderFrames::Kind::kBroken:
        deaf_ = true;
        nghttp2_session_terminate_session(session_, piece.error);
        break;
    }
  }
}

void Http2Session::feed(std::string_view bytes) {
  const ssize_t used = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (state_ == State::kOpen && used < 0) state_ = State::kFinished;
}

// What trailers say is decoded, as the table needs it, and not looked at.
void Http2Session::take_block(const HeaderFrames::Piece& piece) {
  if (next_ == nullptr) next_ = &take_stream();
  next_->request.clear();
  const HeaderDecoder::Outcome outcome = decoder_.decode(piece.bytes, next_->request);
  if (outcome == HeaderDecoder::Outcome::kMalformed) {
    deaf_ = true;
    nghttp2_session_terminate_session(session_, NGHTTP2_COMPRESSION_ERROR);
    return;
  }
  head_fits_ = outcome == HeaderDecoder::Outcome::kDecoded;
  constexpr char kHeaders = 1;
  constexpr char kEndHeaders = 0x4;
  constexpr char kPost = '\x83';  // :method POST, of the static table
  const auto id = [&](unsigned shift) { return static_cast<char>(piece.stream >> shift & 0xff); };
  const std::array<char, 10> frame{
      0,      0,      1,     kHeaders, static_cast<char>(kEndHeaders | (piece.ends_stream ? 1 : 0)),
      id(24), id(16), id(8), id(0),    kPost};
  feed({frame.data(), frame.size()});
}

void Http2Session::produce(std::string& out) {
  if (state_ == State::kCut) return;
  for (;;) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t length = nghttp2_session_mem_send(session_, &bytes);
    if (length <= 0) {
      if (length < 0) state_ = State::kFinished;
      break;
    }
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
  }
  const bool is_idle =
      nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  if (is_idle || (going_away_ && open_count_ == 0)) state_ = State::kFinished;
}

std::optional<ProtocolSession::Time> Http2Session::next_due() const {
  if (delayed_.empty()) return std::nullopt;
  return delayed_.front().due;
}

void Http2Session::release_due(Time now) {
  while (!delayed_.empty() && delayed_.front().due <= now) {
    const Delayed delayed = delayed_.front();
    delayed_.pop_front();
    // Ids are never used again: another id means that the client has reset the stream meanwhile.
    if (delayed.stream->id == delayed.id) submit(*delayed.stream);
  }
}

void Http2Session::begin_stream(std::int32_t id) {
  if (is_left_behind(id)) return;
  Stream& stream = *std::exchange(next_, nullptr);
  stream.id = id;
  nghttp2_session_set_stream_user_data(session_, id, &stream);
  current_ = &stream;
  ++open_count_;
  gateway_.counters().streams_open.add();
}

Http2Session::Stream& Http2Session::take_stream() {
  if (free_.empty()) {
    streams_.push_back(std::make_unique<Stream>());
    return *streams_.back();
  }
  Stream* stream = free_.back();
  free_.pop_back();
  return *stream;
}

Http2Session::Stream* Http2Session::find(std::int32_t id) {
  if (current_ != nullptr && current_->id == id) return current_;
  auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id));
  if (stream != nullptr) current_ = stream;
  return stream;
}

void Http2Session::complete(Stream& stream) {
  if (stream.is_answered || state_ == State::kCut || is_left_behind(stream.id)) return;
  stream.is_answered = true;
  last_complete_id_ = std::max(last_complete_id_, stream.id);
  if (!stream.request.has(Field::kMethod) || !stream.request.has(Field::kPath)) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  LoopContext& context = gateway_.context();
  stream.request.connection = &client_;
  const ConnectionFate fate = gateway_.answer(stream.request, stream.response);
  if (fate == ConnectionFate::kIsCut) {
    context.dice.count(Fault::kCut);
    state_ = State::kCut;
    return;
  }
  const std::uint32_t latency_ms = context.dice.plan().latency_ms;
  if (latency_ms == 0 && delayed_.empty()) {
    submit(stream);
  } else {
    // In the order of their requests, also when the latency has just been lowered.
    Time due = context.now.steady + std::chrono::milliseconds(latency_ms);
    if (!delayed_.empty()) due = std::max(due, delayed_.back().due);
    delayed_.push_back({due, &stream, stream.id});
  }
  if (limits_.one_until_authenticated && client_.is_authenticated == is_limited_) limit_streams();
  if (fate == ConnectionFate::kGoesAway) go_away();
}

// The credential has been taken, or refused.
void Http2Session::limit_streams() {
  is_limited_ = !client_.is_authenticated;
  const nghttp2_settings_entry streams{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                       is_limited_ ? 1 : limits_.max_concurrent_streams};
  require(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &streams, 1));
  if (!is_limited_) return;
  // Those that have begun and were not processed; nghttp2 refuses those that come now.
  for (const auto& stream : streams_) {
    if (stream->id == 0 || stream->is_answered) continue;
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_REFUSED_STREAM);
  }
}

void Http2Session::go_away() {
  if (going_away_) return;
  going_away_ = true;
  gateway_.context().dice.count(Fault::kGoaway);
  const std::string reason =
      nlohmann::json{{"reason", gateway_.context().dice.plan().goaway_reason}}.dump(
          -1, ' ', false, nlohmann::json::error_handler_t::replace);
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last_complete_id_, NGHTTP2_NO_ERROR,
                        reinterpret_cast<const std::uint8_t*>(reason.data()), reason.size());
}

void Http2Session::submit(Stream& stream) {
  const Response& response = stream.response;
  std::array<nghttp2_nv, 7> headers;
  std::size_t count = 0;
  headers[count++] = header(":status", status_text(response.status));
  if (response.has_apns_id) {
    // Each value is used once: in the table it would only push useful ones out.
    headers[count++] =
        header(response.is_request_id ? "apns-request-id" : "apns-id",
               {response.apns_id.data(), response.apns_id.size()}, NGHTTP2_NV_FLAG_NO_INDEX);
  }
  if (!response.apns_channel_id.empty()) {
    headers[count++] = header("apns-channel-id", response.apns_channel_id);
  }
  if (!response.content_type.empty()) {
    headers[count++] = header("content-type", response.content_type);
  }
  std::array<char, 10> seconds;
  if (response.retry_after_s != 0) {
    const auto end =
        std::to_chars(seconds.data(), seconds.data() + seconds.size(), response.retry_after_s);
    headers[count] = header("retry-after", {seconds.data(), end.ptr});
    headers[count++].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
  }
  if (response.has_location) {
    headers[count++] = header("location", {response.location.data(), response.location.size()},
                              NGHTTP2_NV_FLAG_NO_INDEX);
  }
  std::array<char, 10> ttl;
  if (response.ttl_s) {
    const auto end = std::to_chars(ttl.data(), ttl.data() + ttl.size(), *response.ttl_s);
    headers[count] = header("ttl", {ttl.data(), end.ptr});
    headers[count++].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME;
  }
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = Http2Callbacks::read_body;
  nghttp2_submit_response(session_, stream.id, headers.data(), count,
                          response.body.empty() ? nullptr : &provider);
}

void Http2Session::end_stream(std::int32_t id) {
  Stream* stream = find(id);
  if (stream == nullptr) return;
  if (current_ == stream) current_ = nullptr;
  stream->id = 0;
  stream->is_answered = false;
  stream->body_sent = 0;
  stream->request.clear();
  stream->response.clear();
  free_.push_back(stream);
  --open_count_;
  gateway_.counters().streams_open.subtract(1);
}

}  // namespace device_sim
