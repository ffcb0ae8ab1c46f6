#include "relay/cli/vapid_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>

#include "providers/auth/base64url.h"
#include "providers/auth/es256_key.h"
#include "relay/cli/exit_code.h"

namespace carillon::cli {
namespace {

std::string new_vapid_key_pem() {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  if (key == nullptr || bio == nullptr ||
      PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return {};
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

// The name is taken only when all is on the disk: a crash leaves no half key under it. 0, or errno.
int write_new_file(const std::filesystem::path& path, const std::string& text) {
  const std::string beside = path.string() + ".new";
  ::unlink(beside.c_str());
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  int error = 0;
  if (::write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) error = EIO;
  if (error == 0 && ::fsync(file) != 0) error = errno;
  ::close(file);
  // Unlike rename it does not replace a key that somebody made meanwhile.
  if (error == 0 && ::link(beside.c_str(), path.c_str()) != 0) error = errno;
  ::unlink(beside.c_str());
  return error;
}

}  // namespace

int run_keys_vapid(Terminal& terminal, const std::filesystem::path& out) {
  const auto fail = [&](const std::string& sentence) {
    terminal.err << fmt::format("carillon: {}\n", sentence);
    return kExitFailure;
  };
  std::error_code ignored;
  const bool is_there = std::filesystem::exists(out, ignored);
  if (!is_there) {
    const std::string pem = new_vapid_key_pem();
    if (pem.empty()) return fail("OpenSSL could not make a key");
    if (const int error = write_new_file(out, pem); error != 0) {
      return fail(fmt::format("{} cannot be written: {}", out.string(),
                              std::generic_category().message(error)));
    }
  }
  const auto key = push::auth::Es256Key::from_file(out.string());
  if (!key) return fail(key.error());
  terminal.out << push::auth::base64url(key->public_point()) + '\n' << std::flush;
  terminal.err << fmt::format(
      "carillon: {} {} is private; browsers subscribe with the line above as "
      "applicationServerKey\n",
      is_there ? "the key in" : "the new key in", out.string());
  return kExitOk;
}

}  // namespace carillon::cli
