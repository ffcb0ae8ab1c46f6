#include "tests/providers/test_server_session.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace carillon::push::test {

struct ServerCallbacks {
  static ServerSession& self(void* user_data) { return *static_cast<ServerSession*>(user_data); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    auto& session = self(user_data);
    const std::int32_t id = frame->hd.stream_id;
    session.open[id] = {
        .connection = session.options_.connection, .stream_id = id, .headers = {}, .body = {}};
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_length, const std::uint8_t* value, std::size_t value_length,
                       std::uint8_t, void* user_data) {
    self(user_data)
        .open[frame->hd.stream_id]
        .headers[std::string(reinterpret_cast<const char*>(name), name_length)] =
        std::string(reinterpret_cast<const char*>(value), value_length);
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                     std::size_t length, void* user_data) {
    self(user_data).open[id].body.append(reinterpret_cast<const char*>(data), length);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    auto& session = self(user_data);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
          session.complete.push_back(session.open[frame->hd.stream_id]);
          session.to_answer_.push_back(frame->hd.stream_id);
          session.unanswered[frame->hd.stream_id] = session.open[frame->hd.stream_id];
        }
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) ++session.pings;
        break;
      case NGHTTP2_RST_STREAM:
        session.reset_by_client.push_back(frame->hd.stream_id);
        break;
      case NGHTTP2_GOAWAY:
        session.goaway_by_client = true;
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user_data) {
    self(user_data).open.erase(id);
    self(user_data).unanswered.erase(id);
    self(user_data).bodies_.erase(id);
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t length,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& body = *static_cast<std::string*>(source->ptr);
    const std::size_t size = std::min(length, body.size());
    std::memcpy(buffer, body.data(), size);
    body.erase(0, size);
    if (body.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }
};

ServerSession::ServerSession(Options options) : options_(std::move(options)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks,
                                                          ServerCallbacks::on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, ServerCallbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, ServerCallbacks::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, ServerCallbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                         ServerCallbacks::on_stream_close);
  nghttp2_session* session = nullptr;
  nghttp2_session_server_new(&session, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  session_.reset(session);
  std::vector<nghttp2_settings_entry> settings;
  if (options_.streams_max) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, *options_.streams_max});
  }
  if (options_.window_bytes) {
    settings.push_back({NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, *options_.window_bytes});
  }
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
}

bool ServerSession::receive(std::span<const std::uint8_t> bytes) {
  if (cut) return false;
  if (nghttp2_session_mem_recv(session_.get(), bytes.data(), bytes.size()) < 0) return false;
  const auto ids = std::exchange(to_answer_, {});
  if (options_.handler) {
    for (const std::int32_t id : ids) {
      const auto request = open.find(id);
      if (request == open.end()) continue;  // reset meanwhile
      reply(id, options_.handler(request->second));
      if (cut) return false;
    }
  }
  return true;
}

std::vector<std::uint8_t> ServerSession::produce() {
  std::vector<std::uint8_t> bytes;
  const std::uint8_t* data = nullptr;
  for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_.get(), &data)) > 0;) {
    bytes.insert(bytes.end(), data, data + size);
  }
  return bytes;
}

void ServerSession::reply(std::int32_t stream_id, const ServerReply& reply) {
  switch (reply.kind) {
    case ServerReply::Kind::kSilence:
      return;
    case ServerReply::Kind::kReset:
      unanswered.erase(stream_id);
      nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream_id, reply.error_code);
      return;
    case ServerReply::Kind::kGoaway:
      return send_goaway(reply.last_stream_id, reply.error_code, reply.debug_data);
    case ServerReply::Kind::kCut:
      cut = true;
      return;
    case ServerReply::Kind::kAnswer:
      unanswered.erase(stream_id);
      break;
  }
  auto headers = reply.headers;
  const std::string status = std::to_string(reply.status);
  std::vector<nghttp2_nv> fields;
  const auto add = [&fields](const std::string& name, const std::string& value) {
    fields.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
                      value.size(), NGHTTP2_NV_FLAG_NONE});
  };
  static const std::string kStatus = ":status";
  add(kStatus, status);
  for (const auto& [name, value] : headers) add(name, value);
  bodies_[stream_id] = reply.body;
  nghttp2_data_provider body{.source = {.ptr = &bodies_[stream_id]},
                             .read_callback = ServerCallbacks::read_body};
  nghttp2_submit_response(session_.get(), stream_id, fields.data(), fields.size(),
                          reply.body.empty() ? nullptr : &body);
}

void ServerSession::set_streams_max(std::uint32_t streams_max) {
  const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams_max};
  nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, &entry, 1);
}

void ServerSession::set_table_sizes(const std::vector<std::uint32_t>& sizes) {
  for (const std::uint32_t size : sizes) {
    const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, size};
    nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, &entry, 1);
  }
}

void ServerSession::send_goaway(std::int32_t last_stream_id, std::uint32_t error_code,
                                std::string debug_data) {
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last_stream_id, error_code,
                        reinterpret_cast<const std::uint8_t*>(debug_data.data()),
                        debug_data.size());
}

void ServerSession::widen_connection_window(std::int32_t bytes) {
  nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0, bytes);
}

}  // namespace carillon::push::test
