#include "storage/sqlite/audience_code.h"

#include <bit>

#include "storage/sqlite/byte_reader.h"

namespace carillon::store::sqlite {
namespace {

enum class LiteralKind : std::uint8_t { kFalse, kTrue, kNumber, kText };

void put_text(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out.append(text);
}

template <class T>
void put_byte(std::string& out, T value) {
  out.push_back(static_cast<char>(value));
}

void put_value(std::string& out, const decltype(Condition::value)& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    put_byte(out, *flag ? LiteralKind::kTrue : LiteralKind::kFalse);
  } else if (const auto* number = std::get_if<double>(&value)) {
    put_byte(out, LiteralKind::kNumber);
    const auto bits = std::bit_cast<std::uint64_t>(*number);
    append_fixed32(out, static_cast<std::uint32_t>(bits));
    append_fixed32(out, static_cast<std::uint32_t>(bits >> 32));
  } else {
    put_byte(out, LiteralKind::kText);
    put_text(out, std::get<std::string>(value));
  }
}

void put_condition(std::string& out, const Condition& condition) {
  put_byte(out, condition.kind);
  switch (condition.kind) {
    case Condition::Kind::kAnd:
    case Condition::Kind::kOr:
      append_varint(out, condition.of.size());
      [[fallthrough]];
    case Condition::Kind::kNot:
      for (const Condition& part : condition.of) put_condition(out, part);
      return;
    case Condition::Kind::kInTopic:
      return put_text(out, condition.topic);
    case Condition::Kind::kCompare:
      put_byte(out, condition.field);
      put_byte(out, condition.compare);
      if (condition.field == Condition::Field::kAttribute) put_text(out, condition.attribute);
      return put_value(out, condition.value);
  }
}

template <class T>
T enum_to(ByteReader& in, T last) {
  const std::uint8_t value = in.byte();
  if (value < 1 || value > static_cast<std::uint8_t>(last)) in.corrupt();
  return static_cast<T>(value);
}

std::string text_from(ByteReader& in) {
  return std::string(in.view(in.varint()));
}

void read_literal(ByteReader& in, decltype(Condition::value)& value) {
  const std::uint8_t kind = in.byte();
  switch (static_cast<LiteralKind>(kind)) {
    case LiteralKind::kFalse:
    case LiteralKind::kTrue:
      value = kind != 0;
      return;
    case LiteralKind::kNumber: {
      std::uint64_t bits = in.fixed32();
      bits |= static_cast<std::uint64_t>(in.fixed32()) << 32;
      value = std::bit_cast<double>(bits);
      return;
    }
    case LiteralKind::kText:
      value = text_from(in);
      return;
  }
  in.corrupt();
}

Condition condition_from(ByteReader& in, std::size_t depth) {
  if (depth > kConditionDepthMax) in.corrupt();
  Condition condition;
  condition.kind = enum_to(in, Condition::Kind::kCompare);
  std::size_t parts = condition.kind == Condition::Kind::kNot ? 1 : 0;
  switch (condition.kind) {
    case Condition::Kind::kAnd:
    case Condition::Kind::kOr:
      parts = in.varint_to<std::size_t>(kConditionTermsMax);
      [[fallthrough]];
    case Condition::Kind::kNot:
      for (; parts > 0; --parts) condition.of.push_back(condition_from(in, depth + 1));
      break;
    case Condition::Kind::kInTopic:
      condition.topic = text_from(in);
      break;
    case Condition::Kind::kCompare:
      condition.field = enum_to(in, Condition::Field::kAttribute);
      condition.compare = enum_to(in, Condition::Compare::kContains);
      if (condition.field == Condition::Field::kAttribute) condition.attribute = text_from(in);
      read_literal(in, condition.value);
      break;
  }
  return condition;
}

}  // namespace

std::string encode_audience(const Audience& audience) {
  std::string out;
  append_varint(out, audience.subscribers.size());
  append_varint(out, audience.devices.size());
  append_varint(out, audience.topics.size());
  for (const std::string& topic : audience.topics) put_text(out, topic);
  put_byte(out, audience.condition ? 1 : 0);
  if (audience.condition) put_condition(out, *audience.condition);
  return out;
}

DecodedAudience decode_audience(std::string_view bytes) {
  ByteReader in(bytes, "an event's audience");
  DecodedAudience out;
  out.subscribers = in.varint_to<std::uint64_t>(kNamedAudienceMax);
  out.devices = in.varint_to<std::uint64_t>(kNamedAudienceMax);
  for (auto topics = in.varint_to<std::size_t>(kTopicsPerEventMax); topics > 0; --topics) {
    out.audience.topics.push_back(text_from(in));
  }
  if (in.byte() != 0) out.audience.condition = condition_from(in, 1);
  if (!in.done()) in.corrupt();
  return out;
}

}  // namespace carillon::store::sqlite
