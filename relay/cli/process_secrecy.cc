#include "relay/cli/process_secrecy.h"

#include <openssl/crypto.h>
#include <sys/prctl.h>

#include <cstdlib>
#include <cstring>

namespace carillon::cli {

void refuse_core_files() {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void allow_core_files() {
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

std::optional<std::string> take_from_environment(const char* name) {
  char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  const std::string taken(value);
  OPENSSL_cleanse(value, std::strlen(value));  // the memory that the kernel handed over
  unsetenv(name);
  if (taken.empty()) return std::nullopt;
  return taken;
}

}  // namespace carillon::cli
