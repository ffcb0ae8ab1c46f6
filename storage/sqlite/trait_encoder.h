// What a line says of a device for conditions to ask about, as `trait` stores it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/sqlite/text_dictionary.h"
#include "storage/store.h"

namespace carillon::store::sqlite {

// Inside the writer's transaction: names of attributes get their numbers here. What is remembered
// is good until somebody else writes or a request is undone (`forget`).
class TraitEncoder {
 public:
  explicit TraitEncoder(Database& database);

  // Empty: the line has none. kFull: the app has kAttributeNamesMax names, and this line brings
  // another.
  Result<std::string> encode(std::uint32_t app, const DeviceRegistration& line);

  std::size_t size() const { return names_.size(); }
  void forget() { names_.clear(); }

 private:
  // None: the app has as many as it may.
  std::optional<std::uint32_t> name_id(std::uint32_t app, std::string_view name);
  std::optional<std::uint32_t> stored(std::uint32_t app, std::string_view name);

  Statement find_, insert_;
  TextNumbers names_;  // app (4 bytes), name
  std::string key_;
};

}  // namespace carillon::store::sqlite
