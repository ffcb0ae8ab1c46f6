#include "providers/auth/oauth_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "providers/auth/json_text.h"

namespace carillon::push::auth {
namespace {

constexpr std::size_t kErrorTextBytesMax = 200;

std::string printable_error(std::string_view text) {
  std::string result(text.substr(0, kErrorTextBytesMax));
  std::replace_if(
      result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return result;
}

// What may stand in a header: a token that could not would be a header injection.
bool is_bearer(std::string_view token) {
  return !token.empty() &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::chrono::seconds life_of(const nlohmann::json& answer) {
  const auto told = answer.find("expires_in");
  if (told == answer.end() || !told->is_number_unsigned()) return kOauthLifeMax;
  const auto seconds = std::clamp<std::uint64_t>(told->get<std::uint64_t>(), kOauthLifeMin.count(),
                                                 kOauthLifeMax.count());
  return std::chrono::seconds(seconds);
}

}  // namespace

OauthAnswer read_oauth_answer(std::uint16_t status, std::string_view body) {
  const auto json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  OauthAnswer answer{.token = {}, .life = kOauthLifeMax, .error = {}};
  if (status == 200) {
    answer.token = text_member(json, "access_token");
    if (is_bearer(answer.token)) {
      answer.life = life_of(json);
    } else {
      answer.token.clear();
      answer.error = "the answer has no usable access_token";
    }
    return answer;
  }
  const std::string code = printable_error(text_member(json, "error"));
  const std::string description = printable_error(text_member(json, "error_description"));
  answer.refused = (status == 400 || status == 401) && !code.empty();
  answer.error =
      fmt::format("the token request was answered {}{}{}", status, code.empty() ? "" : " " + code,
                  description.empty() ? "" : " (" + description + ")");
  return answer;
}

}  // namespace carillon::push::auth
