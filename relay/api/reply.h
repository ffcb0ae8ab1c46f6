// An answer as a value, before it becomes bytes.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace carillon::api {

struct Reply {
  int status = 200;
  std::string content_type = "application/json";  // of `body`, if there is one
  std::string body;
  // Names and values are the relay's own words or checked for control characters.
  std::vector<std::pair<std::string, std::string>> headers;
  // If set, the answer has no length: once its head is on the wire, the socket is given to this
  // function, which owns it from then on.
  std::function<void(int socket)> take_over;
};

}  // namespace carillon::api
