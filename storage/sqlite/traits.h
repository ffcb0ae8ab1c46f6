// What conditions ask of a device beside its topics: app version and attributes, as bytes.
//
//   traits    := app (varint), length byte, app version, attribute*     ascending by name
//   attribute := name's id << 3 | kind (varint), value
//   value     := nothing (false, true) | zigzag varint (a whole number) | 8 bytes LE (another
//   number)
//              | text | count (varint), text*
//   text      := length (varint), bytes
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/byte_reader.h"
#include "storage/store.h"

namespace carillon::store::sqlite {

// Nothing, or the first thing that is wrong with them.
std::optional<Error> check_attributes(std::span<const AttributeView> attributes);

// One value after its name's id; what check_attributes found good.
struct EncodedAttribute {
  std::uint32_t name = 0;
  std::string value;  // kind in the first byte
};
EncodedAttribute encode_attribute(std::uint32_t name, const AttributeView& attribute);
// `attributes` ascend by name.
std::string encode_traits(std::uint32_t app, std::string_view app_version,
                          std::span<const EncodedAttribute> attributes);

struct Traits {
  std::uint32_t app = 0;
  std::string app_version;
  std::vector<std::pair<std::uint32_t, AttributeValue>> attributes;  // ascending by name
};
Traits decode_traits(std::string_view bytes);

// The same in views into the bytes. Filled again and again it allocates only while it grows.
struct TraitsView {
  std::string_view app_version;
  std::vector<std::uint32_t> names;       // ascending; names[i] is of attributes[i]
  std::vector<AttributeView> attributes;  // their names are left empty
  std::vector<std::string_view> texts;    // of lists, which are spans of it
};
void view_traits(std::string_view bytes, TraitsView& out);

// Whether the device whose traits these are satisfies a comparison with its app version or with the
// attribute whose name has this id; never if it has no such value.
bool traits_satisfy(std::string_view bytes, std::uint32_t app, const Condition& compare,
                    std::uint32_t name);

// How `compare` orders a text that a device has against the condition's.
bool text_satisfies(std::string_view text, Condition::Compare compare, std::string_view with);
// ASCII's letters in lower case: how locales are compared.
std::string lower_case(std::string_view text);
// Negative, 0, positive. Number by number: "3.10" is after "3.9", "3.2.0" is "3.2"; what follows a
// number in its part ("3.2-beta") comes before the same part without it.
int compare_versions(std::string_view a, std::string_view b);

}  // namespace carillon::store::sqlite
