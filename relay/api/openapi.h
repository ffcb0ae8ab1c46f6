// The API's own description, OpenAPI 3.1, as JSON.
#pragma once

#include <string_view>

namespace carillon::api {

// Made once. Describes exactly the routes of routes.h: a test holds the two against each other.
std::string_view openapi_document();

}  // namespace carillon::api
