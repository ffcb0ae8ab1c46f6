// A peer's word, made fit for Verdict::reason.
#pragma once

#include <string>
#include <string_view>

#include "providers/provider.h"

namespace carillon::push {

// At most kReasonBytesMax bytes of printable ASCII, whatever was sent.
inline std::string reason_of(std::string_view word) {
  std::string reason(word.substr(0, kReasonBytesMax));
  for (char& c : reason) {
    if (c < ' ' || c > '~') c = '?';
  }
  return reason;
}

}  // namespace carillon::push
