// What is wrong with a condition's text, and where.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace carillon::audience {

struct ConditionFault {
  std::size_t offset = 0;  // bytes before it; the text's length if something is missing at its end
  std::string message;     // a sentence's end: "needs `)`"
  friend bool operator==(const ConditionFault&, const ConditionFault&) = default;
};

// The place as people count: 1 is the first character, a character being a UTF-8 sequence.
std::size_t character_at(std::string_view text, std::size_t offset);

// How much of a long text a picture shows around the place.
inline constexpr std::size_t kPictureCharactersMax = 72;

// Two lines, the text and below it a caret at the place:
//   'sports' in topic && locale == 'de'
//               ^
// Without a newline at its end. A character is taken to be one column wide.
std::string picture_of(std::string_view text, std::size_t offset);

}  // namespace carillon::audience
