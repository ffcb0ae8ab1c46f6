// The words of a condition's text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "relay/audience/condition_fault.h"

namespace carillon::audience {

enum class Word : std::uint8_t {
  kEnd,
  kOpen,            // (
  kClose,           // )
  kOpenBracket,     // [
  kCloseBracket,    // ]
  kDot,             // .
  kAnd,             // && and
  kOr,              // || or
  kNot,             // ! not
  kEqual,           // ==
  kNotEqual,        // !=
  kLess,            // <
  kLessOrEqual,     // <=
  kGreater,         // >
  kGreaterOrEqual,  // >=
  kText,            // 'a' "a", with \' \" and \\ for ' " and \.
  kNumber,          // as in JSON
  kName             // anything else of A-Z a-z 0-9 _ -
};

struct Token {
  Word word = Word::kEnd;
  std::size_t offset = 0;  // its first byte
  std::string text;        // kText: unescaped; kName: as it stands
  double number = 0;       // kNumber
};

// Reads a text word by word. For one thread; the text outlives it.
class ConditionLexer {
 public:
  explicit ConditionLexer(std::string_view text) : text_(text) {}

  // After kEnd: kEnd again. A fault is final.
  tl::expected<Token, ConditionFault> next();
  // A name of an attribute follows a dot: there, `and`, `or` and digits are a name as any other.
  tl::expected<Token, ConditionFault> next_as_name();

 private:
  void skip_spaces();
  tl::expected<Token, ConditionFault> read_text(char quote);
  tl::expected<Token, ConditionFault> read_number();
  Token read_name();
  tl::expected<Token, ConditionFault> read_sign();

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace carillon::audience
