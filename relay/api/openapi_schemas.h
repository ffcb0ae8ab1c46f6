// The schemas of /openapi.json.
#pragma once

#include <nlohmann/json.hpp>

namespace carillon::api {

// Of every body that the API takes or answers with, by name.
nlohmann::ordered_json openapi_schemas();

}  // namespace carillon::api
