#include "relay/api/sha256.h"

#include <openssl/evp.h>

#include <new>

namespace carillon::api {

Sha256 sha256(std::string_view bytes) {
  Sha256 out{};
  // Fails only when memory is out: the algorithm is built in.
  if (EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
  return out;
}

}  // namespace carillon::api
