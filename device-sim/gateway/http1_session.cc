#include "device-sim/gateway/http1_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace device_sim {
namespace {

constexpr std::size_t kChunkLineBytesMax = 256;
// What a client may send ahead while an answer waits for the latency.
constexpr std::size_t kPipelinedBytesMax = 1 << 20;
constexpr std::string_view kLineEnd = "\r\n";

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view trim(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

std::string_view phrase_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace

void Http1Session::receive(std::string_view bytes) {
  if (state_ != State::kOpen || is_finishing_) return;
  if (step_ == Step::kDelayed && in_.size() + bytes.size() > kPipelinedBytesMax) {
    state_ = State::kCut;
    return;
  }
  in_.append(bytes);
  while (state_ == State::kOpen && !is_finishing_ && advance()) {
  }
  in_.erase(0, used_);
  used_ = 0;
}

void Http1Session::produce(std::string& out) {
  if (state_ == State::kCut) return;
  out.append(out_);
  out_.clear();
  if (is_finishing_) state_ = State::kFinished;
}

std::optional<ProtocolSession::Time> Http1Session::next_due() const {
  if (step_ != Step::kDelayed) return std::nullopt;
  return due_;
}

void Http1Session::release_due(Time now) {
  if (step_ != Step::kDelayed || due_ > now) return;
  write_answer();
  receive({});  // what the client has pipelined meanwhile
}

bool Http1Session::advance() {
  switch (step_) {
    case Step::kHead:
      return read_head();
    case Step::kBody:
    case Step::kChunk:
      return read_body();
    case Step::kChunkSize:
      return read_chunk_size();
    case Step::kChunkEnd:
      return read_chunk_end();
    case Step::kTrailer:
      return read_trailer();
    case Step::kDelayed:
      return false;
  }
  return false;
}

bool Http1Session::read_head() {
  std::string_view rest = std::string_view(in_).substr(used_);
  while (rest.starts_with(kLineEnd)) {  // RFC 9112 §2.2: empty lines before a request are ignored
    rest.remove_prefix(kLineEnd.size());
    used_ += kLineEnd.size();
  }
  const std::size_t end = rest.find("\r\n\r\n");
  if (std::min(end, rest.size()) > kRequestHeadBytesMax) {
    refuse(431, "the head of the request is over 16 KiB");
    return false;
  }
  if (end == std::string_view::npos) return false;
  used_ += end + 4;
  return read_head_fields(rest.substr(0, end)) && begin_body();
}

bool Http1Session::read_head_fields(std::string_view head) {
  const std::string_view line = head.substr(0, head.find(kLineEnd));
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || !is_token(line.substr(0, first)) ||
      line.substr(last + 1) != "HTTP/1.1") {
    refuse(400, "the request line is malformed");
    return false;
  }
  request_.add(":method", line.substr(0, first));
  request_.add(":path", line.substr(first + 1, last - first - 1));
  head.remove_prefix(std::min(head.size(), line.size() + kLineEnd.size()));
  while (!head.empty()) {
    const std::string_view field = head.substr(0, head.find(kLineEnd));
    head.remove_prefix(std::min(head.size(), field.size() + kLineEnd.size()));
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos || !is_token(field.substr(0, colon))) {
      refuse(400, "a header field is malformed");
      return false;
    }
    const std::string name = lower(field.substr(0, colon));
    const std::string_view value = trim(field.substr(colon + 1));
    if (name == "transfer-encoding") transfer_encoding_ += lower(value);
    if (name == "connection") connection_ = lower(value);
    if (name == "expect") expects_continue_ = lower(value) == "100-continue";
    request_.add(name, value);
  }
  return true;
}

bool Http1Session::begin_body() {
  closes_ = connection_.find("close") != std::string::npos;
  const bool has_length = request_.has(Field::kContentLength);
  if (!transfer_encoding_.empty()) {
    // Both at once is how requests are smuggled (RFC 9112 §6.1).
    if (transfer_encoding_ != "chunked" || has_length) {
      refuse(400, "the length of the body is ambiguous");
      return false;
    }
    step_ = Step::kChunkSize;
  } else {
    body_left_ = 0;
    const std::string_view digits = request_.get(Field::kContentLength);
    const char* end = digits.data() + digits.size();
    if (has_length && (request_.repeats(Field::kContentLength) || digits.empty() ||
                       std::from_chars(digits.data(), end, body_left_).ptr != end)) {
      refuse(400, "Content-Length is malformed");
      return false;
    }
    step_ = Step::kBody;
  }
  if (expects_continue_) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  return true;
}

bool Http1Session::read_body() {
  const std::size_t length = std::min(body_left_, in_.size() - used_);
  request_.append_body(std::string_view(in_).substr(used_, length));
  used_ += length;
  body_left_ -= length;
  if (body_left_ != 0) return false;
  if (step_ == Step::kChunk) {
    step_ = Step::kChunkEnd;
  } else {
    complete();
  }
  return true;
}

bool Http1Session::read_chunk_size() {
  const std::string_view rest = std::string_view(in_).substr(used_);
  const std::size_t end = rest.find(kLineEnd);
  if (end == std::string_view::npos && rest.size() <= kChunkLineBytesMax) return false;
  const std::string_view digits = trim(rest.substr(0, end).substr(0, rest.find(';')));
  const char* digits_end = digits.data() + digits.size();
  std::uint32_t size = 0;
  if (end == std::string_view::npos || digits.empty() ||
      std::from_chars(digits.data(), digits_end, size, 16).ptr != digits_end) {
    refuse(400, "a chunk's size is malformed");
    return false;
  }
  used_ += end + kLineEnd.size();
  body_left_ = size;
  step_ = size == 0 ? Step::kTrailer : Step::kChunk;
  return true;
}

bool Http1Session::read_chunk_end() {
  const std::string_view rest = std::string_view(in_).substr(used_);
  if (rest.size() < kLineEnd.size()) return false;
  if (!rest.starts_with(kLineEnd)) {
    refuse(400, "a chunk is longer than its size");
    return false;
  }
  used_ += kLineEnd.size();
  step_ = Step::kChunkSize;
  return true;
}

bool Http1Session::read_trailer() {
  const std::string_view rest = std::string_view(in_).substr(used_);
  const std::size_t end = rest.find(kLineEnd);
  if (end == std::string_view::npos) {
    if (rest.size() > kRequestHeadBytesMax) refuse(431, "the trailer is over 16 KiB");
    return false;
  }
  used_ += end + kLineEnd.size();
  if (end == 0) complete();
  return true;
}

void Http1Session::complete() {
  LoopContext& context = gateway_.context();
  const ConnectionFate fate = gateway_.answer(request_, response_);
  if (fate == ConnectionFate::kIsCut) {
    context.dice.count(Fault::kCut);
    state_ = State::kCut;
    return;
  }
  if (fate == ConnectionFate::kGoesAway) {
    context.dice.count(Fault::kGoaway);
    closes_ = true;  // HTTP/1.1's way of going away
  }
  if (const std::uint32_t latency_ms = context.dice.plan().latency_ms; latency_ms != 0) {
    due_ = context.now.steady + std::chrono::milliseconds(latency_ms);
    step_ = Step::kDelayed;
    return;
  }
  write_answer();
}

void Http1Session::write_answer() {
  fmt::format_to(std::back_inserter(out_), "HTTP/1.1 {} {}\r\ncontent-length: {}\r\n",
                 response_.status, phrase_of(response_.status), response_.body.size());
  if (!response_.content_type.empty()) {
    fmt::format_to(std::back_inserter(out_), "content-type: {}\r\n", response_.content_type);
  }
  if (response_.retry_after_s != 0) {
    fmt::format_to(std::back_inserter(out_), "retry-after: {}\r\n", response_.retry_after_s);
  }
  if (response_.has_location) {
    fmt::format_to(std::back_inserter(out_), "location: {}\r\n",
                   std::string_view(response_.location.data(), response_.location.size()));
  }
  if (response_.ttl_s) {
    fmt::format_to(std::back_inserter(out_), "ttl: {}\r\n", *response_.ttl_s);
  }
  if (closes_) out_ += "connection: close\r\n";
  out_ += kLineEnd;
  out_ += response_.body;
  is_finishing_ = closes_;
  request_.clear();
  response_.clear();
  transfer_encoding_.clear();
  connection_.clear();
  expects_continue_ = false;
  step_ = Step::kHead;
}

void Http1Session::refuse(int status, std::string_view reason) {
  fmt::format_to(std::back_inserter(out_),
                 "HTTP/1.1 {} {}\r\ncontent-length: {}\r\ncontent-type: text/plain\r\n"
                 "connection: close\r\n\r\n{}",
                 status, phrase_of(status), reason.size(), reason);
  is_finishing_ = true;
}

}  // namespace device_sim
