#pragma once

#include <cstddef>
#include <string_view>

namespace device_sim {

// What follows "Bearer " in an authorization header; the scheme in any case (RFC 9110 §11.1).
// Empty when the header has another form.
inline std::string_view bearer_credential(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower != kScheme[i]) return {};
  }
  return authorization.substr(kScheme.size());
}

}  // namespace device_sim
