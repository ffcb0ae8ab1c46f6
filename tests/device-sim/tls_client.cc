#include "tests/device-sim/tls_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace device_sim {
namespace {

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const timeval patience{.tv_sec = TlsClient::kPatience.count(), .tv_usec = 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect to the simulator");
  }
  return socket;
}

void show(SSL* ssl, const ClientIdentity& identity) {
  BIO* certificate_text = BIO_new_mem_buf(identity.certificate_pem.data(), -1);
  BIO* key_text = BIO_new_mem_buf(identity.key_pem.data(), -1);
  X509* certificate = PEM_read_bio_X509(certificate_text, nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_text, nullptr, nullptr, nullptr);
  if (SSL_use_certificate(ssl, certificate) != 1 || SSL_use_PrivateKey(ssl, key) != 1) {
    throw std::runtime_error("the client's certificate cannot be used");
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  BIO_free(certificate_text);
  BIO_free(key_text);
}

SSL_CTX* client_context() {
  static SSL_CTX* const kContext = SSL_CTX_new(TLS_client_method());
  return kContext;
}

}  // namespace

TlsClient::TlsClient(std::uint16_t port, std::string_view alpn, const ClientIdentity* identity)
    : socket_(connect_to(port)), ssl_(SSL_new(client_context())) {
  SSL_set_fd(ssl_, socket_);
  if (!alpn.empty()) {
    std::string list(1, static_cast<char>(alpn.size()));
    list += alpn;
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned int>(list.size()));
  }
  if (identity != nullptr) show(ssl_, *identity);
  connected_ = SSL_connect(ssl_) == 1;
}

TlsClient::~TlsClient() {
  SSL_free(ssl_);
  ::close(socket_);
}

std::string TlsClient::alpn() const {
  const unsigned char* name = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_, &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

void TlsClient::send(std::string_view bytes) {
  if (!bytes.empty()) SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
}

std::string TlsClient::receive() {
  if (!pending_.empty()) return std::exchange(pending_, {});
  std::string bytes(64 * 1024, '\0');
  errno = 0;
  const int length = SSL_read(ssl_, bytes.data(), static_cast<int>(bytes.size()));
  if (length <= 0) {
    was_reset_ = errno == ECONNRESET;
    is_closed_ = errno != EAGAIN;
    return {};
  }
  bytes.resize(static_cast<std::size_t>(length));
  return bytes;
}

std::string TlsClient::receive_until(std::string_view text) {
  std::string all;
  while (all.find(text) == std::string::npos) {
    const std::string some = receive();
    if (some.empty()) return all;
    all += some;
  }
  const std::size_t end = all.find(text) + text.size();
  pending_ = all.substr(end);
  all.resize(end);
  return all;
}

std::string TlsClient::receive_http1_answer() {
  std::string all = receive_until("\r\n\r\n");
  const std::string name = "content-length: ";
  const std::size_t at = all.find(name);
  if (at == std::string::npos) return all;
  const std::size_t wanted = all.size() + std::stoul(all.substr(at + name.size()));
  while (all.size() < wanted) {
    const std::string some = receive();
    if (some.empty()) break;
    all += some;
  }
  if (all.size() > wanted) {
    pending_ = all.substr(wanted) + pending_;
    all.resize(wanted);
  }
  return all;
}

struct ClientCallbacks {
  static Http2Client& self(void* user) { return *static_cast<Http2Client*>(user); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_length, const std::uint8_t* value, std::size_t value_length,
                       std::uint8_t, void* user) {
    auto& answer = self(user).answers_[frame->hd.stream_id];
    const std::string key(reinterpret_cast<const char*>(name), name_length);
    const std::string text(reinterpret_cast<const char*>(value), value_length);
    if (key == ":status") answer.status = std::stoi(text);
    answer.headers[key] = text;
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                     std::size_t length, void* user) {
    self(user).answers_[id].body.append(reinterpret_cast<const char*>(data), length);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Client& client = self(user);
    auto& answer = client.answers_[frame->hd.stream_id];
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        answer.headers_ended_stream = ends;
        break;
      case NGHTTP2_DATA:
        ++answer.data_frames;
        break;
      case NGHTTP2_SETTINGS:
        client.has_settings_ = true;
        break;
      case NGHTTP2_GOAWAY:
        client.goaway_ = Http2Client::Goaway{
            .last_stream_id = frame->goaway.last_stream_id,
            .error_code = frame->goaway.error_code,
            .debug = std::string(reinterpret_cast<const char*>(frame->goaway.opaque_data),
                                 frame->goaway.opaque_data_len)};
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    auto& answer = self(user).answers_[id];
    answer.is_done = true;
    if (code != NGHTTP2_NO_ERROR) answer.reset_code = code;
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t* buffer,
                           std::size_t room, std::uint32_t* flags, nghttp2_data_source*,
                           void* user) {
    std::string& body = self(user).bodies_[id];
    const std::size_t length = std::min(room, body.size());
    std::memcpy(buffer, body.data(), length);
    body.erase(0, length);
    if (body.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(length);
  }

  static ssize_t never_ends(nghttp2_session*, std::int32_t, std::uint8_t*, std::size_t,
                            std::uint32_t*, nghttp2_data_source*, void*) {
    return NGHTTP2_ERR_DEFERRED;
  }
};

namespace {

std::vector<nghttp2_nv> as_nva(const Headers& headers) {
  std::vector<nghttp2_nv> list;
  for (const auto& [name, value] : headers) {
    list.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                    reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
                    value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return list;
}

}  // namespace

Http2Client::Http2Client(std::uint16_t port, std::string_view alpn, const ClientIdentity* identity)
    : tls_(port, alpn, identity) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, ClientCallbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, ClientCallbacks::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, ClientCallbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, ClientCallbacks::on_close);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_http_messaging(option, 1);  // tests send what no client should
  nghttp2_session_client_new2(&session_, callbacks, this, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
}

Http2Client::~Http2Client() {
  nghttp2_session_del(session_);
}

std::int32_t Http2Client::submit(const Headers& headers, const std::string& body) {
  const auto list = as_nva(headers);
  nghttp2_data_provider provider{};
  provider.read_callback = ClientCallbacks::read_body;
  const std::int32_t id =
      nghttp2_submit_request(session_, nullptr, list.data(), list.size(), &provider, nullptr);
  bodies_[id] = body;
  return id;
}

std::int32_t Http2Client::submit_without_end(const Headers& headers) {
  const auto list = as_nva(headers);
  nghttp2_data_provider provider{};
  provider.read_callback = ClientCallbacks::never_ends;
  return nghttp2_submit_request(session_, nullptr, list.data(), list.size(), &provider, nullptr);
}

void Http2Client::cancel(std::int32_t id) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

void Http2Client::flush() {
  std::string out;
  const std::uint8_t* bytes = nullptr;
  for (ssize_t length = 0; (length = nghttp2_session_mem_send(session_, &bytes)) > 0;) {
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
  }
  tls_.send(out);
}

bool Http2Client::run_until(const std::function<bool()>& done) {
  flush();
  const auto deadline = std::chrono::steady_clock::now() + TlsClient::kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    const std::string bytes = tls_.receive();
    if (bytes.empty()) return done();
    if (nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                 bytes.size()) < 0) {
      return false;
    }
    flush();
  }
  return true;
}

Http2Client::Answer Http2Client::fetch(const Headers& headers, const std::string& body) {
  const std::int32_t id = submit(headers, body);
  run_until([&] { return answers_[id].is_done; });
  return answers_[id];
}

std::size_t Http2Client::done_count() const {
  return static_cast<std::size_t>(std::count_if(
      answers_.begin(), answers_.end(),
      [](const auto& entry) { return entry.second.is_done && entry.second.status != 0; }));
}

std::uint32_t Http2Client::max_concurrent_streams() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

}  // namespace device_sim
