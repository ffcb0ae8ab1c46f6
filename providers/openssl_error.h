// OpenSSL's own words for what went wrong last on this thread.
#pragma once

#include <openssl/err.h>

#include <string>

namespace carillon::push {

// Takes the oldest error off the thread's queue and clears the rest, so that no later call is
// blamed for it.
inline std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown error";
}

}  // namespace carillon::push
