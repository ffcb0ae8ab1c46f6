#include "storage/sqlite/traits.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "storage/sqlite/name_check.h"

namespace carillon::store::sqlite {
namespace {

enum class ValueKind : std::uint8_t { kFalse, kTrue, kWhole, kNumber, kText, kTexts };
constexpr double kWholeMax = 9007199254740992.0;  // 2^53: below it every whole number is a double
constexpr const char* kWhere = "a device's traits";

void append_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out.append(text);
}

void append_number(std::string& out, double number) {
  if (std::abs(number) < kWholeMax && std::trunc(number) == number &&
      !(number == 0 && std::signbit(number))) {
    out.push_back(static_cast<char>(ValueKind::kWhole));
    append_varint(out, zigzag(static_cast<std::int64_t>(number)));
    return;
  }
  out.push_back(static_cast<char>(ValueKind::kNumber));
  const auto bits = std::bit_cast<std::uint64_t>(number);
  append_fixed32(out, static_cast<std::uint32_t>(bits));
  append_fixed32(out, static_cast<std::uint32_t>(bits >> 32));
}

double read_number(ByteReader& in, ValueKind kind) {
  if (kind == ValueKind::kWhole) return static_cast<double>(unzigzag(in.varint()));
  std::uint64_t bits = in.fixed32();
  bits |= static_cast<std::uint64_t>(in.fixed32()) << 32;
  return std::bit_cast<double>(bits);
}

struct Head {
  std::uint32_t name = 0;
  ValueKind kind = ValueKind::kFalse;
};

Head read_head(ByteReader& in) {
  const auto head = in.varint_to<std::uint64_t>(std::uint64_t{0xffff'ffff} << 3 | 7);
  if ((head & 7) > static_cast<std::uint64_t>(ValueKind::kTexts)) in.corrupt();
  return {static_cast<std::uint32_t>(head >> 3), static_cast<ValueKind>(head & 7)};
}

AttributeValue read_value(ByteReader& in, ValueKind kind) {
  switch (kind) {
    case ValueKind::kFalse:
      return false;
    case ValueKind::kTrue:
      return true;
    case ValueKind::kWhole:
    case ValueKind::kNumber:
      return read_number(in, kind);
    case ValueKind::kText:
      return std::string(in.view(in.varint()));
    case ValueKind::kTexts:
      break;
  }
  std::vector<std::string> texts(in.varint_to<std::size_t>(kAttributeTextsMax));
  for (std::string& text : texts) text.assign(in.view(in.varint()));
  return texts;
}

decltype(AttributeView::value) view_value(ByteReader& in, ValueKind kind,
                                          std::vector<std::string_view>& texts) {
  switch (kind) {
    case ValueKind::kFalse:
      return false;
    case ValueKind::kTrue:
      return true;
    case ValueKind::kWhole:
    case ValueKind::kNumber:
      return read_number(in, kind);
    case ValueKind::kText:
      return in.view(in.varint());
    case ValueKind::kTexts:
      break;
  }
  const std::size_t first = texts.size();
  for (auto count = in.varint_to<std::size_t>(kAttributeTextsMax); count > 0; --count) {
    texts.push_back(in.view(in.varint()));
  }
  return std::span<const std::string_view>(texts).subspan(first);
}

void pass_value(ByteReader& in, ValueKind kind) {
  if (kind == ValueKind::kWhole) in.varint();
  if (kind == ValueKind::kNumber) in.take(8);
  if (kind == ValueKind::kText) in.take(in.varint());
  if (kind == ValueKind::kTexts) {
    for (auto count = in.varint_to<std::size_t>(kAttributeTextsMax); count > 0; --count) {
      in.take(in.varint());
    }
  }
}

bool ordered(Condition::Compare compare, int order) {
  switch (compare) {
    case Condition::Compare::kEqual:
      return order == 0;
    case Condition::Compare::kLess:
      return order < 0;
    case Condition::Compare::kLessOrEqual:
      return order <= 0;
    case Condition::Compare::kGreater:
      return order > 0;
    case Condition::Compare::kGreaterOrEqual:
      return order >= 0;
    case Condition::Compare::kNotEqual:
    case Condition::Compare::kStartsWith:
    case Condition::Compare::kContains:
      break;
  }
  return false;
}

// The value stands next in `in`.
bool value_satisfies(ByteReader& in, ValueKind kind, const Condition& leaf) {
  if (leaf.compare == Condition::Compare::kContains) {
    const auto* member = std::get_if<std::string>(&leaf.value);
    if (kind != ValueKind::kTexts || !member) return false;
    for (auto count = in.varint_to<std::size_t>(kAttributeTextsMax); count > 0; --count) {
      if (in.view(in.varint()) == *member) return true;
    }
    return false;
  }
  if (const auto* flag = std::get_if<bool>(&leaf.value)) {
    return leaf.compare == Condition::Compare::kEqual &&
           kind == (*flag ? ValueKind::kTrue : ValueKind::kFalse);
  }
  if (const auto* number = std::get_if<double>(&leaf.value)) {
    if (kind != ValueKind::kWhole && kind != ValueKind::kNumber) return false;
    const double has = read_number(in, kind);
    return ordered(leaf.compare, has < *number ? -1 : has > *number ? 1 : 0);
  }
  return kind == ValueKind::kText &&
         text_satisfies(in.view(in.varint()), leaf.compare, std::get<std::string>(leaf.value));
}

struct VersionPart {
  std::string_view number;  // digits without leading zeros
  std::string_view rest;
};

VersionPart next_part(std::string_view& version) {
  const std::size_t dot = version.find('.');
  const std::string_view part = version.substr(0, dot);
  version.remove_prefix(dot == std::string_view::npos ? version.size() : dot + 1);
  std::size_t digits = 0;
  while (digits < part.size() && part[digits] >= '0' && part[digits] <= '9') ++digits;
  VersionPart out{part.substr(0, digits), part.substr(digits)};
  out.number.remove_prefix(std::min(out.number.find_first_not_of('0'), out.number.size()));
  return out;
}

std::optional<std::string> fault_of(const AttributeView& attribute) {
  const auto text_fault = [&](std::string_view text) -> std::optional<std::string> {
    auto error =
        check_text(fmt::format("the attribute {}", attribute.name), text, kAttributeTextBytesMax);
    if (!error) return std::nullopt;
    return std::move(error->message);
  };
  if (const auto* number = std::get_if<double>(&attribute.value)) {
    if (!std::isfinite(*number)) {
      return fmt::format("the attribute {} is not a finite number", attribute.name);
    }
  } else if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
    return text_fault(*text);
  } else if (const auto* texts = std::get_if<std::span<const std::string_view>>(&attribute.value)) {
    if (texts->size() > kAttributeTextsMax) {
      return fmt::format("the attribute {} has more than {} texts", attribute.name,
                         kAttributeTextsMax);
    }
    for (const std::string_view member : *texts) {
      if (auto fault = text_fault(member)) return fault;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> check_attributes(std::span<const AttributeView> attributes) {
  const auto invalid = [](std::string message) {
    return Error{Error::Kind::kInvalid, std::move(message)};
  };
  if (attributes.size() > kAttributesPerDeviceMax) {
    return invalid(fmt::format("the device has more than {} attributes", kAttributesPerDeviceMax));
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    const AttributeView& attribute = attributes[i];
    if (attribute.name.empty()) return invalid("an attribute's name is empty");
    if (auto error = check_text("an attribute's name", attribute.name, kAttributeNameBytesMax)) {
      return error;
    }
    for (std::size_t k = 0; k < i; ++k) {
      if (attributes[k].name == attribute.name) {
        return invalid(fmt::format("the attribute {} is given twice", attribute.name));
      }
    }
    if (auto fault = fault_of(attribute)) return invalid(*std::move(fault));
    bytes += encode_attribute(0, attribute).value.size();
  }
  if (bytes > kAttributeBytesPerDeviceMax) {
    return invalid(fmt::format("the device's attributes have {} bytes, at most {} are stored",
                               bytes, kAttributeBytesPerDeviceMax));
  }
  return std::nullopt;
}

EncodedAttribute encode_attribute(std::uint32_t name, const AttributeView& attribute) {
  EncodedAttribute out{.name = name, .value = {}};
  const auto put_kind = [&](ValueKind kind) { out.value.push_back(static_cast<char>(kind)); };
  if (const auto* flag = std::get_if<bool>(&attribute.value)) {
    put_kind(*flag ? ValueKind::kTrue : ValueKind::kFalse);
  } else if (const auto* number = std::get_if<double>(&attribute.value)) {
    append_number(out.value, *number);
  } else if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
    put_kind(ValueKind::kText);
    append_text(out.value, *text);
  } else {
    const auto& texts = std::get<std::span<const std::string_view>>(attribute.value);
    put_kind(ValueKind::kTexts);
    append_varint(out.value, texts.size());
    for (const std::string_view member : texts) append_text(out.value, member);
  }
  return out;
}

std::string encode_traits(std::uint32_t app, std::string_view app_version,
                          std::span<const EncodedAttribute> attributes) {
  std::string out;
  append_varint(out, app);
  out.push_back(static_cast<char>(app_version.size()));
  out.append(app_version);
  for (const EncodedAttribute& attribute : attributes) {
    append_varint(out, static_cast<std::uint64_t>(attribute.name) << 3 |
                           static_cast<std::uint8_t>(attribute.value.front()));
    out.append(attribute.value, 1);
  }
  return out;
}

Traits decode_traits(std::string_view bytes) {
  ByteReader in(bytes, kWhere);
  Traits traits;
  traits.app = in.varint_to<std::uint32_t>(0xffff'ffff);
  traits.app_version.assign(in.view(in.byte()));
  while (!in.done()) {
    const Head head = read_head(in);
    if (!traits.attributes.empty() && traits.attributes.back().first >= head.name) in.corrupt();
    traits.attributes.emplace_back(head.name, read_value(in, head.kind));
  }
  return traits;
}

void view_traits(std::string_view bytes, TraitsView& out) {
  ByteReader in(bytes, kWhere);
  in.varint();  // the app
  out.app_version = in.view(in.byte());
  out.names.clear();
  out.attributes.clear();
  out.texts.clear();
  out.texts.reserve(bytes.size());  // a text has a byte at least: spans of it hold
  while (!in.done()) {
    const Head head = read_head(in);
    if (!out.names.empty() && out.names.back() >= head.name) in.corrupt();
    out.names.push_back(head.name);
    out.attributes.push_back({.name = {}, .value = view_value(in, head.kind, out.texts)});
  }
}

bool traits_satisfy(std::string_view bytes, std::uint32_t app, const Condition& compare,
                    std::uint32_t name) {
  ByteReader in(bytes, kWhere);
  if (in.varint() != app) return false;
  const std::string_view version = in.view(in.byte());
  if (compare.field == Condition::Field::kAppVersion) {
    if (version.empty()) return false;
    const auto& with = std::get<std::string>(compare.value);
    if (compare.compare == Condition::Compare::kStartsWith) return version.starts_with(with);
    return ordered(compare.compare, compare_versions(version, with));
  }
  while (!in.done()) {
    const Head head = read_head(in);
    if (head.name > name) return false;
    if (head.name == name) return value_satisfies(in, head.kind, compare);
    pass_value(in, head.kind);
  }
  return false;
}

bool text_satisfies(std::string_view text, Condition::Compare compare, std::string_view with) {
  if (compare == Condition::Compare::kStartsWith) return text.starts_with(with);
  return ordered(compare, text.compare(with));
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

int compare_versions(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const VersionPart x = next_part(a), y = next_part(b);
    if (x.number.size() != y.number.size()) return x.number.size() < y.number.size() ? -1 : 1;
    if (const int order = x.number.compare(y.number)) return order;
    if (x.rest.empty() != y.rest.empty()) return x.rest.empty() ? 1 : -1;
    if (const int order = x.rest.compare(y.rest)) return order;
  }
  return 0;
}

}  // namespace carillon::store::sqlite
