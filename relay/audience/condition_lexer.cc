#include "relay/audience/condition_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "relay/import/json_number.h"

namespace carillon::audience {
namespace {

using Read = tl::expected<Token, ConditionFault>;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '-';
}

struct Sign {
  std::string_view text;
  Word word;
};
// Longer ones before their beginnings.
constexpr auto kSigns = std::to_array<Sign>({{"&&", Word::kAnd},
                                             {"||", Word::kOr},
                                             {"==", Word::kEqual},
                                             {"!=", Word::kNotEqual},
                                             {"<=", Word::kLessOrEqual},
                                             {">=", Word::kGreaterOrEqual},
                                             {"<", Word::kLess},
                                             {">", Word::kGreater},
                                             {"!", Word::kNot},
                                             {"(", Word::kOpen},
                                             {")", Word::kClose},
                                             {"[", Word::kOpenBracket},
                                             {"]", Word::kCloseBracket},
                                             {".", Word::kDot}});

constexpr auto kWords = std::to_array<Sign>({{"and", Word::kAnd},
                                             {"AND", Word::kAnd},
                                             {"or", Word::kOr},
                                             {"OR", Word::kOr},
                                             {"not", Word::kNot},
                                             {"NOT", Word::kNot}});

tl::unexpected<ConditionFault> misread(std::size_t offset, std::string message) {
  return tl::unexpected(ConditionFault{offset, std::move(message)});
}

}  // namespace

void ConditionLexer::skip_spaces() {
  at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
}

Read ConditionLexer::next() {
  skip_spaces();
  if (at_ == text_.size()) return Token{.word = Word::kEnd, .offset = at_};
  const char c = text_[at_];
  if (c == '\'' || c == '"') return read_text(c);
  if (is_digit(c) || c == '-') return read_number();
  if (is_name_character(c)) {
    Token token = read_name();
    for (const Sign& known : kWords) {
      if (token.text == known.text) token.word = known.word;
    }
    return token;
  }
  return read_sign();
}

Read ConditionLexer::next_as_name() {
  skip_spaces();
  if (at_ < text_.size() && is_name_character(text_[at_])) return read_name();
  return next();
}

Token ConditionLexer::read_name() {
  Token token{.word = Word::kName, .offset = at_};
  while (at_ < text_.size() && is_name_character(text_[at_])) token.text += text_[at_++];
  return token;
}

Read ConditionLexer::read_text(char quote) {
  Token token{.word = Word::kText, .offset = at_};
  for (++at_; at_ < text_.size(); ++at_) {
    char c = text_[at_];
    if (c == quote) {
      ++at_;
      return token;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return misread(at_, "is a control character, which a text cannot have");
    }
    if (c == '\\') {
      if (++at_ == text_.size()) break;
      c = text_[at_];
      if (c != '\'' && c != '"' && c != '\\') {
        return misread(at_ - 1, R"(is not an escape: there are \', \" and \\)");
      }
    }
    token.text += c;
  }
  return misread(token.offset, fmt::format("begins a text that no {} ends", quote));
}

Read ConditionLexer::read_number() {
  Token token{.word = Word::kNumber, .offset = at_};
  std::size_t end = at_;
  while (end < text_.size() &&
         (is_name_character(text_[end]) || text_[end] == '.' || text_[end] == '+')) {
    ++end;
  }
  const auto number = import::parse_json_number(text_.substr(at_, end - at_));
  if (!number) {
    return misread(at_, "is not a number; versions and other texts stand in quotes");
  }
  token.number = *number;
  at_ = end;
  return token;
}

Read ConditionLexer::read_sign() {
  for (const Sign& sign : kSigns) {
    if (!text_.substr(at_).starts_with(sign.text)) continue;
    const std::size_t offset = std::exchange(at_, at_ + sign.text.size());
    return Token{.word = sign.word, .offset = offset};
  }
  switch (text_[at_]) {
    case '=':
      return misread(at_, "must be `==` to compare");
    case '&':
      return misread(at_, "must be `&&`");
    case '|':
      return misread(at_, "must be `||`");
    default:
      return misread(at_, "is not part of a condition; texts stand in quotes");
  }
}

}  // namespace carillon::audience
