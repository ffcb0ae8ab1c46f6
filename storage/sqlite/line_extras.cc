#include "storage/sqlite/line_extras.h"

#include <bit>

#include "storage/sqlite/byte_reader.h"

namespace carillon::store::sqlite {
namespace {

// extras := text(app version) list(device topics) count attribute*
// attribute := text(name) kind (varint) value;  text := length (varint) bytes;  list := count text*
enum Kind : std::uint8_t { kBoolean, kNumber, kText, kList };

void append_text(std::string_view text, std::string& out) {
  append_varint(out, text.size());
  out.append(text);
}

void append_list(std::span<const std::string_view> list, std::string& out) {
  append_varint(out, list.size());
  for (const std::string_view text : list) append_text(text, out);
}

std::string_view read_text(ByteReader& in) {
  return in.view(in.varint_to<std::size_t>(in.left()));
}

std::span<const std::string_view> read_list(ByteReader& in, ExtrasRoom& room) {
  auto& list = room.lists.emplace_back();
  for (auto count = in.varint(); count > 0; --count) list.push_back(read_text(in));
  return list;
}

}  // namespace

bool has_extras(const DeviceRegistration& line) {
  return !line.device_topics.empty() || !line.app_version.empty() || !line.attributes.empty();
}

void append_extras(const DeviceRegistration& line, std::string& out) {
  append_text(line.app_version, out);
  append_list(line.device_topics, out);
  append_varint(out, line.attributes.size());
  for (const AttributeView& attribute : line.attributes) {
    append_text(attribute.name, out);
    append_varint(out, attribute.value.index());
    switch (static_cast<Kind>(attribute.value.index())) {
      case kBoolean:
        append_varint(out, std::get<bool>(attribute.value) ? 1 : 0);
        break;
      case kNumber:
        append_varint(out, std::bit_cast<std::uint64_t>(std::get<double>(attribute.value)));
        break;
      case kText:
        append_text(std::get<std::string_view>(attribute.value), out);
        break;
      case kList:
        append_list(std::get<std::span<const std::string_view>>(attribute.value), out);
        break;
    }
  }
}

void read_extras(std::string_view bytes, ExtrasRoom& room, DeviceRegistration& line) {
  ByteReader in(bytes, "an import's line");
  line.app_version = read_text(in);
  line.device_topics = read_list(in, room);
  auto& attributes = room.attributes.emplace_back();
  for (auto count = in.varint(); count > 0; --count) {
    AttributeView& attribute = attributes.emplace_back();
    attribute.name = read_text(in);
    switch (static_cast<Kind>(in.varint_to<std::uint8_t>(kList))) {
      case kBoolean:
        attribute.value = in.varint() != 0;
        break;
      case kNumber:
        attribute.value = std::bit_cast<double>(in.varint());
        break;
      case kText:
        attribute.value = read_text(in);
        break;
      case kList:
        attribute.value = read_list(in, room);
        break;
    }
  }
  line.attributes = attributes;
}

}  // namespace carillon::store::sqlite
