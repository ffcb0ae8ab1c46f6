#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace carillon::push::auth {

// The text of a member; "" if there is none, if it is no text, or if `json` is no object.
inline std::string text_member(const nlohmann::json& json, const char* name) {
  if (!json.is_object()) return {};
  const auto member = json.find(name);
  return member != json.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace carillon::push::auth
