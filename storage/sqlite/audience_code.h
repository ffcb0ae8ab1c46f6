// What an event was for, as bytes in its row: topics, how many names, the condition.
//
//   audience  := subscribers named (varint), devices named (varint), topics (varint), text*,
//                has condition (byte), [condition]
//   condition := kind (byte), and what the kind has
//     and, or := count (varint), condition*        not := condition        in topic := text
//     compare := field (byte), compare (byte), [attribute: text], value kind (byte), value
//   value     := 0: false | 1: true | 2: 8 bytes LE of a double | 3: text
//   text      := length (varint), bytes
#pragma once

#include <string>
#include <string_view>

#include "storage/store.h"

namespace carillon::store::sqlite {

std::string encode_audience(const Audience& audience);

struct DecodedAudience {
  Audience audience;  // without names
  std::uint64_t subscribers = 0, devices = 0;
};
DecodedAudience decode_audience(std::string_view bytes);

}  // namespace carillon::store::sqlite
