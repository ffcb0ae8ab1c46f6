#include "storage/sqlite/store_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {

StoreLock::StoreLock(const std::string& store_path) {
  const std::string path = store_path + ".lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0) {
    fail(Error::Kind::kIo,
         fmt::format("the lock {} cannot be made: {}", path, std::strerror(errno)));
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const bool held = errno == EWOULDBLOCK;
    const std::string why = std::strerror(errno);
    ::close(descriptor_);
    if (held) {
      fail(Error::Kind::kBusy,
           fmt::format("another relay serves the store {}: stop it, or give this one another store",
                       store_path));
    }
    fail(Error::Kind::kIo, fmt::format("the lock {} cannot be taken: {}", path, why));
  }
}

// The file stays: taking it away could part two relays that wait for it.
StoreLock::~StoreLock() {
  ::close(descriptor_);
}

}  // namespace carillon::store::sqlite
