#include "relay/api/target.h"

#include <algorithm>
#include <cstdint>

#include "relay/api/hex_digit.h"

namespace carillon::api {
namespace {

bool is_unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f;
  });
}

tl::expected<std::string, std::string> decoded_part(std::string_view text) {
  auto decoded = percent_decoded(text);
  if (!decoded) return tl::unexpected<std::string>("a % is not followed by two hex digits");
  if (has_control(*decoded)) return tl::unexpected<std::string>("it has a control character");
  if (!is_utf8(*decoded)) return tl::unexpected<std::string>("it is not UTF-8");
  return std::move(*decoded);
}

tl::expected<void, std::string> parse_query(std::string_view query, Target& out) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = decoded_part(pair.substr(0, equals));
    auto value = decoded_part(pair.substr(std::min(equals + 1, pair.size())));
    if (!name) return tl::unexpected(name.error());
    if (!value) return tl::unexpected(value.error());
    out.query.emplace_back(std::move(*name), std::move(*value));
  }
  return {};
}

// Length of the sequence that begins with `lead`, and the least code point that needs it.
struct Utf8Form {
  std::size_t length;
  std::uint32_t least;
  std::uint32_t bits;
};

Utf8Form utf8_form(unsigned char lead) {
  if (lead < 0x80) return {1, 0, lead};
  if ((lead & 0xe0) == 0xc0) return {2, 0x80, lead & 0x1fu};
  if ((lead & 0xf0) == 0xe0) return {3, 0x800, lead & 0x0fu};
  if ((lead & 0xf8) == 0xf0) return {4, 0x10000, lead & 0x07u};
  return {0, 0, 0};
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto [length, least, point] = utf8_form(static_cast<unsigned char>(text[i]));
    if (length == 0 || length > text.size() - i) return false;
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = (point << 6) | (next & 0x3fu);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
    i += length;
  }
  return true;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c)) {
      out.push_back(c);
      continue;
    }
    const auto u = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[u >> 4]);
    out.push_back(kDigits[u & 0xf]);
  }
  return out;
}

tl::expected<Target, std::string> parse_target(std::string_view target) {
  Target out;
  const std::size_t question = std::min(target.find('?'), target.size());
  std::string_view path = target.substr(0, question);
  if (path.empty() || path.front() != '/') return tl::unexpected<std::string>("it is not a path");
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    auto segment = decoded_part(path.substr(0, end));
    if (!segment) return tl::unexpected(segment.error());
    path.remove_prefix(end);
    const bool root = out.segments.empty() && segment->empty() && path.empty();
    if (root) break;
    if (segment->empty() || *segment == "." || *segment == "..") {
      return tl::unexpected<std::string>("it has an empty segment, or one that is \".\" or \"..\"");
    }
    out.segments.push_back(std::move(*segment));
  }
  if (question < target.size()) {
    if (const auto parsed = parse_query(target.substr(question + 1), out); !parsed) {
      return tl::unexpected(parsed.error());
    }
  }
  return out;
}

}  // namespace carillon::api
