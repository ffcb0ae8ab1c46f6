#include "relay/api/request_head.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace carillon::api {
namespace {

using Fault = tl::unexpected<HeadFault>;

Fault malformed(std::string detail) {
  return Fault(HeadFault{Problem::kMalformedRequest, std::move(detail)});
}

// RFC 9110, section 5.6.2.
bool is_token_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Tab, visible ASCII and what lies beyond it; RFC 9110, section 5.5.
bool is_field_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u == '\t' || (u >= 0x20 && u != 0x7f);
  });
}

tl::expected<void, HeadFault> parse_request_line(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return malformed("the request line is not: method, target, version");
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || method.size() > kMethodBytesMax) {
    return malformed("the method is not a token of at most " + std::to_string(kMethodBytesMax) +
                     " characters");
  }
  if (target.size() > kTargetBytesMax) {
    return Fault(
        HeadFault{Problem::kTargetTooLong,
                  "the target has more than " + std::to_string(kTargetBytesMax) + " bytes"});
  }
  const bool visible = std::all_of(target.begin(), target.end(),
                                   [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
  if (target.empty() || target.front() != '/' || !visible) {
    return malformed("the target must be a path, percent-encoded where it is not visible ASCII");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.starts_with("HTTP/")) return Fault(HeadFault{Problem::kUnsupportedVersion, ""});
    return malformed("the request line does not end with a version of HTTP");
  }
  head.method = method;
  head.target = target;
  head.http_1_1 = head.keep_alive = version == "HTTP/1.1";
  return {};
}

tl::expected<void, HeadFault> parse_field(std::string_view line, RequestHead& head) {
  if (line.front() == ' ' || line.front() == '\t') {
    return malformed("a header field is folded over several lines");
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return malformed("a header field's name is not a token");
  }
  const std::string_view value = trim(line.substr(colon + 1));
  if (!is_field_value(value)) return malformed("a header field's value has a control character");
  if (head.fields.size() == kHeaderFieldsMax) {
    return Fault(
        HeadFault{Problem::kHeadTooLarge,
                  "the head has more than " + std::to_string(kHeaderFieldsMax) + " fields"});
  }
  head.fields.push_back({lower_case(line.substr(0, colon)), std::string(value)});
  return {};
}

// Fields that would mean two things if they came twice.
constexpr std::array<std::string_view, 8> kSingleFields = {
    "host",         "content-length", "transfer-encoding", "authorization",
    "content-type", "expect",         "idempotency-key",   "content-encoding"};

tl::expected<void, HeadFault> check_single_fields(const RequestHead& head) {
  for (const std::string_view name : kSingleFields) {
    const auto count = std::count_if(head.fields.begin(), head.fields.end(),
                                     [&](const auto& field) { return field.name == name; });
    if (count > 1) return malformed("the field " + std::string(name) + " comes more than once");
    if (count == 0 && name == "host" && head.keep_alive)
      return malformed("the field host is missing");
  }
  return {};
}

tl::expected<void, HeadFault> read_framing(RequestHead& head, bool http_1_1) {
  const auto has = [&](std::string_view name) {
    return std::any_of(head.fields.begin(), head.fields.end(),
                       [&](const auto& field) { return field.name == name; });
  };
  if (has("transfer-encoding")) {
    if (has("content-length")) return malformed("content-length and transfer-encoding contradict");
    if (!http_1_1) return malformed("HTTP/1.0 has no transfer codings");
    if (lower_case(head.field("transfer-encoding")) != "chunked") {
      return Fault(HeadFault{Problem::kUnsupportedTransferCoding, ""});
    }
    head.chunked = true;
  }
  if (has("content-length")) {
    const std::string_view text = head.field("content-length");
    std::uint64_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (text.empty() || error == std::errc::invalid_argument || end != text.data() + text.size()) {
      return malformed("content-length is not a number");
    }
    if (error == std::errc::result_out_of_range) {
      return Fault(HeadFault{Problem::kBodyTooLarge, "content-length is not of this world"});
    }
    head.content_length = length;
  }
  if (has("expect")) {
    if (lower_case(head.field("expect")) != "100-continue") {
      return Fault(HeadFault{Problem::kExpectationFailed, ""});
    }
    head.expects_continue = http_1_1 && head.has_body();
  }
  return {};
}

void read_connection(RequestHead& head) {
  for (const auto& field : head.fields) {
    if (field.name != "connection") continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string option = lower_case(trim(rest.substr(0, comma)));
      if (option == "close") {
        head.keep_alive = false;
        return;
      }
      if (option == "keep-alive") head.keep_alive = true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
}

}  // namespace

std::string_view RequestHead::field(std::string_view name) const {
  for (const Field& candidate : fields) {
    if (candidate.name == name) return candidate.value;
  }
  return {};
}

HeadEnd find_head_end(std::string_view bytes, std::size_t* scanned) {
  for (std::size_t i = *scanned; i < bytes.size(); ++i) {
    if (bytes[i] == '\0') return HeadEnd::kMalformed;
    if (bytes[i] != '\n') continue;
    if (i == 0 || bytes[i - 1] != '\r') return HeadEnd::kMalformed;
    if (i >= 3 && bytes[i - 2] == '\n' && bytes[i - 3] == '\r') {
      *scanned = i + 1;
      return HeadEnd::kFound;
    }
  }
  *scanned = bytes.size();
  return HeadEnd::kIncomplete;
}

tl::expected<RequestHead, HeadFault> parse_head(std::string_view bytes) {
  RequestHead head;
  // One empty line before a request is an old client's habit (RFC 9112, section 2.2).
  if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  bool first = true;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find("\r\n");
    if (end == std::string_view::npos) return malformed("the head does not end with an empty line");
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 2);
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return malformed("a line has a control character");
    }
    if (line.empty()) break;
    const auto parsed = first ? parse_request_line(line, head) : parse_field(line, head);
    if (!parsed) return Fault(parsed.error());
    first = false;
  }
  if (first) return malformed("the head is empty");
  if (const auto checked = check_single_fields(head); !checked) return Fault(checked.error());
  if (const auto framed = read_framing(head, head.http_1_1); !framed) return Fault(framed.error());
  read_connection(head);
  return head;
}

}  // namespace carillon::api
