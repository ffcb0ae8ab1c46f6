#include "providers/auth/private_key.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <system_error>

namespace carillon::push::auth {

tl::expected<std::string, std::string> read_credential_file(const std::string& path) {
  const auto problem = [&path](int code) {
    return tl::unexpected(
        fmt::format("{} cannot be read: {}", path, std::generic_category().message(code)));
  };
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                       &std::fclose);
  if (file == nullptr) return problem(errno);
  std::string text(kCredentialFileBytesMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return problem(errno);
  if (text.empty()) return tl::unexpected(fmt::format("{} is empty", path));
  if (text.size() > kCredentialFileBytesMax) {
    return tl::unexpected(fmt::format("{} is larger than {} bytes, so it is no credential", path,
                                      kCredentialFileBytesMax));
  }
  return text;
}

std::shared_ptr<EVP_PKEY> parse_private_key(std::string_view pem, std::string_view password) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  if (bio == nullptr) throw std::bad_alloc();
  // Without a callback OpenSSL would ask for a pass phrase at the terminal.
  const auto give_password = [](char* out, int room, int, void* given) {
    const auto& text = *static_cast<const std::string_view*>(given);
    if (text.size() > static_cast<std::size_t>(room)) return 0;
    return static_cast<int>(text.copy(out, text.size()));
  };
  std::shared_ptr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, give_password, &password), EVP_PKEY_free);
  ERR_clear_error();
  return key;
}

std::string sign_sha256(EVP_PKEY* key, std::string_view text) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free);
  if (context == nullptr) throw std::bad_alloc();
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  std::string signature;
  int done = EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key);
  if (done == 1) done = EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size());
  signature.resize(size);
  if (done == 1) {
    done = EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                          bytes, text.size());
  }
  // A key that was read and checked signs any text; what can fail is memory.
  if (done != 1) throw std::bad_alloc();
  signature.resize(size);
  return signature;
}

}  // namespace carillon::push::auth
