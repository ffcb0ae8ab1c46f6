// A condition's text to a typed tree, as people and backends write it:
//   'sports' in topics && !('nba' in topics) && locale startsWith 'de' && attributes.age >= 18
#pragma once

#include <cstddef>
#include <string_view>
#include <tl/expected.hpp>

#include "relay/audience/condition_fault.h"
#include "storage/condition.h"

namespace carillon::audience {

// More than the longest text that `print_condition` makes of a tree within the limits of
// storage/condition.h, so that every tree that can be stored can be written down.
inline constexpr std::size_t kConditionBytesMax = 64 * 1024;

// condition := both { ("||" | "or") both }
// both      := one { ("&&" | "and") one }
// one       := ("!" | "not") one | "(" condition ")" | term
// term      := text "in" "topics"
//            | "platform"    ("==" | "!=") text                  'apns', 'fcm' or 'webpush'
//            | ("locale" | "timezone") ("==" | "!=" | "startsWith") text
//            | "app_version" ("==" | "!=" | "<" | "<=" | ">" | ">=") text       '3.10', by number
//            | attribute     ("==" | "!=") (text | number | "true" | "false")
//            | attribute     ("<" | "<=" | ">" | ">=") number
//            | attribute     ("startsWith" | "contains") text
// attribute := "attributes" "." name | "attributes" "[" text "]"
//
// `a && b && c` is one node of three; parentheses make nodes of their own. What comes out is within
// kConditionTermsMax and kConditionDepthMax (a lone term has depth 1), and no deeper do parentheses
// and negations nest. Pure.
tl::expected<store::Condition, ConditionFault> parse_condition(std::string_view text);

}  // namespace carillon::audience
