#include "storage/sqlite/trait_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "storage/sqlite/byte_reader.h"
#include "storage/sqlite/traits.h"

namespace carillon::store::sqlite {

TraitEncoder::TraitEncoder(Database& database)
    : find_(database, "SELECT id FROM attribute WHERE app = ? AND name = ?"),
      insert_(database,
              "INSERT INTO attribute (app, name) SELECT ?1, ?2 WHERE (SELECT count(*) "
              "FROM attribute WHERE app = ?1) < ?3 RETURNING id") {}

Result<std::string> TraitEncoder::encode(std::uint32_t app, const DeviceRegistration& line) {
  if (line.app_version.empty() && line.attributes.empty()) return std::string();
  std::vector<EncodedAttribute> encoded;
  encoded.reserve(line.attributes.size());
  for (const AttributeView& attribute : line.attributes) {
    const auto id = name_id(app, attribute.name);
    if (!id) {
      return tl::unexpected(Error{
          Error::Kind::kFull,
          fmt::format("the app has {} names of attributes, the most allowed", kAttributeNamesMax)});
    }
    encoded.push_back(encode_attribute(*id, attribute));
  }
  std::sort(encoded.begin(), encoded.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return encode_traits(app, line.app_version, encoded);
}

std::optional<std::uint32_t> TraitEncoder::name_id(std::uint32_t app, std::string_view name) {
  key_.clear();
  append_fixed32(key_, app);
  key_.append(name);
  if (const auto known = names_.find(key_); known != names_.end()) return known->second;
  std::optional<std::uint32_t> id = stored(app, name);
  if (!id) {
    Cursor row = insert_.rows(app, name, kAttributeNamesMax);
    if (!row.next()) return std::nullopt;
    id = static_cast<std::uint32_t>(row.integer(0));
    row.next();
  }
  names_.emplace(key_, *id);
  return id;
}

std::optional<std::uint32_t> TraitEncoder::stored(std::uint32_t app, std::string_view name) {
  Cursor row = find_.rows(app, name);
  if (!row.next()) return std::nullopt;
  return static_cast<std::uint32_t>(row.integer(0));
}

}  // namespace carillon::store::sqlite
