#include "device-sim/gateway/iid_check.h"

#include <nlohmann/json.hpp>

#include "device-sim/phones/topic_condition.h"

namespace device_sim {
namespace {

constexpr std::string_view kAddPath = "/iid/v1:batchAdd";
constexpr std::string_view kRemovePath = "/iid/v1:batchRemove";
constexpr std::string_view kTopicPrefix = "/topics/";

IidRequest refused(int status, std::string error) {
  IidRequest request;
  request.status = status;
  request.error = std::move(error);
  return request;
}

std::string_view path_of_request(const Request& request) {
  const std::string_view path = request.get(Field::kPath);
  return path.substr(0, path.find('?'));
}

}  // namespace

bool is_iid_path(std::string_view path) {
  return path.starts_with("/iid/");
}

IidRequest check_iid_request(const Request& request) {
  const std::string_view path = path_of_request(request);
  if ((path != kAddPath && path != kRemovePath) || request.get(Field::kMethod) != "POST") {
    return refused(404, "NOT_FOUND");
  }
  // Without it the service takes the credential for one of the old server keys.
  if (request.get(Field::kAccessTokenAuth) != "true") return refused(401, "UNAUTHENTICATED");
  const auto body = nlohmann::json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  if (request.body_is_cut || !body.is_object()) return refused(400, "INVALID_ARGUMENT");
  const auto to = body.find("to");
  const auto tokens = body.find("registration_tokens");
  if (to == body.end() || !to->is_string() || tokens == body.end() || !tokens->is_array() ||
      tokens->empty() || tokens->size() > kIidTokensMax) {
    return refused(400, "INVALID_ARGUMENT");
  }
  const std::string_view target = to->get_ref<const std::string&>();
  if (!target.starts_with(kTopicPrefix) || !is_topic_name(target.substr(kTopicPrefix.size()))) {
    return refused(400, "INVALID_ARGUMENT");
  }
  IidRequest checked;
  checked.subscribes = path == kAddPath;
  checked.topic = target.substr(kTopicPrefix.size());
  for (const auto& token : *tokens) {
    if (!token.is_string()) return refused(400, "INVALID_ARGUMENT");
    checked.tokens.push_back(token.get<std::string>());
  }
  return checked;
}

}  // namespace device_sim
