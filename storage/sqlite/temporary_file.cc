#include "storage/sqlite/temporary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {
namespace {

[[noreturn]] void fail_temporary(int code) {
  fail(code == ENOSPC || code == EDQUOT ? Error::Kind::kFull : Error::Kind::kIo,
       fmt::format("a temporary file beside the store failed ({}): free space on its disk",
                   std::strerror(code)));
}

}  // namespace

TemporaryFile::TemporaryFile(const std::string& folder) {
  std::string name = (folder.empty() ? std::string(".") : folder) + "/.carillon-import-XXXXXX";
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) fail_temporary(errno);
  ::unlink(name.c_str());
}

TemporaryFile::~TemporaryFile() {
  ::close(descriptor_);
}

void TemporaryFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail_temporary(wrote < 0 ? errno : ENOSPC);
    size_ += static_cast<std::uint64_t>(wrote);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

void TemporaryFile::read(std::uint64_t offset, void* to, std::size_t size) const {
  char* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = ::pread(descriptor_, at, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail_temporary(got < 0 ? errno : EIO);
    offset += static_cast<std::uint64_t>(got);
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace carillon::store::sqlite
