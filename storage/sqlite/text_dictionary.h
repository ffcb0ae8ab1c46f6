// Locales and time zones by number: few different texts, on every second device.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "storage/sqlite/database.h"
#include "storage/sqlite/hot_chunk.h"

namespace carillon::store::sqlite {

// Numbers of texts, looked up without making a string of one.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};
using TextNumbers = std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>>;

// Inside the writer's transaction; what is remembered is good until somebody else writes or a
// request is undone (`forget`).
class TextDictionary {
 public:
  explicit TextDictionary(Database& database)
      : find_(database, "SELECT id FROM dict WHERE text = ?"),
        insert_(database,
                "INSERT INTO dict (id, text) SELECT coalesce(max(id), 0) + 1, ?1 FROM dict "
                "HAVING coalesce(max(id), 0) < ?2 RETURNING id") {}

  // The text's number, given now if it has none; 0 is the empty text's. None: there are
  // kLocaleIdMax of them, the most allowed.
  std::optional<std::uint32_t> id(std::string_view text) {
    if (text.empty()) return 0;
    if (const auto known = known_.find(text); known != known_.end()) return known->second;
    std::optional<std::uint32_t> id = stored(text);
    if (!id) {
      Cursor row = insert_.rows(text, kLocaleIdMax);
      if (!row.next()) return std::nullopt;
      id = static_cast<std::uint32_t>(row.integer(0));
      row.next();
    }
    known_.emplace(text, *id);
    return id;
  }

  std::size_t size() const { return known_.size(); }
  void forget() { known_.clear(); }

 private:
  std::optional<std::uint32_t> stored(std::string_view text) {
    Cursor row = find_.rows(text);
    if (!row.next()) return std::nullopt;
    return static_cast<std::uint32_t>(row.integer(0));
  }

  Statement find_, insert_;
  TextNumbers known_;
};

}  // namespace carillon::store::sqlite
