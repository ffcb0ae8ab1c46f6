#include "relay/audience/condition_fault.h"

#include <algorithm>
#include <vector>

namespace carillon::audience {
namespace {

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

}  // namespace

std::size_t character_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto continued = std::ranges::count_if(before, continues_character);
  return before.size() - static_cast<std::size_t>(continued) + 1;
}

std::string picture_of(std::string_view text, std::size_t offset) {
  std::vector<std::string> characters;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (continues_character(c) && !characters.empty()) {
      characters.back() += c;
    } else {
      // A tab or a newline would move the caret away from what it points at.
      characters.emplace_back(1, byte < 0x20 || byte == 0x7F ? ' ' : c);
    }
  }
  const std::size_t place = character_at(text, offset) - 1;
  // The place stands in the middle of what is shown, unless an end of the text is near.
  std::size_t from = place > kPictureCharactersMax / 2 ? place - kPictureCharactersMax / 2 : 0;
  const std::size_t latest =
      characters.size() > kPictureCharactersMax ? characters.size() - kPictureCharactersMax : 0;
  from = std::min(from, latest);
  const std::size_t to = std::min(characters.size(), from + kPictureCharactersMax);
  std::string picture = from > 0 ? "..." : "";
  const std::size_t before = picture.size() + (place - from);
  for (std::size_t i = from; i < to; ++i) picture += characters[i];
  if (to < characters.size()) picture += "...";
  return picture + "\n" + std::string(before, ' ') + "^";
}

}  // namespace carillon::audience
