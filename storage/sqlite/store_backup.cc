#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "storage/sqlite/database.h"
#include "storage/sqlite/page_copy.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::store {

namespace sqlite {
namespace {

// A store holds people's tokens: nobody else may read its copy.
constexpr mode_t kOwnerOnly = 0600;

[[noreturn]] void fail_file(const std::string& path, const char* did, int fault) {
  fail(fault == ENOSPC ? Error::Kind::kFull : Error::Kind::kIo,
       fmt::format("{} cannot be {}: {}", path, did, std::generic_category().message(fault)));
}

class FileDescriptor {
 public:
  FileDescriptor(const std::string& path, int flags, mode_t mode = 0)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
    if (descriptor_ < 0) fail_file(path, "opened", errno);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { ::close(descriptor_); }
  void sync(const std::string& path) const {
    if (::fsync(descriptor_) != 0) fail_file(path, "written to its disk", errno);
  }

 private:
  int descriptor_;
};

// The copy while it is made. Its own name goes with it, whether or not the target has come to be.
class PartialCopy {
 public:
  explicit PartialCopy(std::string target) : target_(std::move(target)), path_(target_ + ".part") {
    // What a broken-off backup left behind.
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) fail_file(path_, "replaced", errno);
    FileDescriptor(path_, O_CREAT | O_EXCL | O_WRONLY, kOwnerOnly);
  }
  PartialCopy(const PartialCopy&) = delete;
  PartialCopy& operator=(const PartialCopy&) = delete;
  ~PartialCopy() {
    for (const char* of_sqlite : {"", "-wal", "-shm"}) ::unlink((path_ + of_sqlite).c_str());
  }
  const std::string& path() const { return path_; }

  // The name appears only when every byte below it is on the disk.
  void keep() {
    FileDescriptor(path_, O_RDONLY).sync(path_);
    // A link, not a rename: it fails when somebody else has made the target meanwhile.
    if (::link(path_.c_str(), target_.c_str()) != 0) fail_file(target_, "written", errno);
    const std::string folder = std::filesystem::path(target_).parent_path().string();
    const std::string where = folder.empty() ? "." : folder;
    FileDescriptor(where, O_RDONLY | O_DIRECTORY).sync(where);
  }

 private:
  const std::string target_, path_;
};

}  // namespace
}  // namespace sqlite

Result<std::uint64_t> backup_sqlite_store(const std::string& path, const std::string& target,
                                          const BackupProgress& progress) {
  using namespace sqlite;
  try {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
      fail(Error::Kind::kNotFound, fmt::format("there is no store at {}: check the path", path));
    }
    if (std::filesystem::exists(std::filesystem::symlink_status(target, ignored))) {
      fail(Error::Kind::kInvalid,
           fmt::format("{} is there already: a backup replaces no file, name another", target));
    }
    Database from(path, Database::Access::kReadOnly);
    from.wait_when_busy(std::chrono::seconds(5));
    if (identify(from) == FileState::kEmpty) {
      fail(Error::Kind::kCorrupt, fmt::format("{} is empty and not a store: check the path", path));
    }
    PartialCopy part(target);
    {
      Database to(part.path(), Database::Access::kReadWrite);
      // Nobody sees the copy before it is whole and on the disk.
      copy_pages(from, to, [&progress](std::uint64_t done, std::uint64_t total) {
        if (progress) progress(done, total);
        return true;
      });
    }
    const auto faults = check_sqlite_store(part.path(), false);
    if (!faults) return tl::unexpected(faults.error());
    if (!faults->empty()) {
      fail(Error::Kind::kCorrupt,
           fmt::format("the copy is damaged, and so may be {}: {}", path, faults->front()));
    }
    part.keep();
    return std::filesystem::file_size(target);
  } catch (const StoreFailure& failure) {
    return tl::unexpected(failure.error);
  }
}

}  // namespace carillon::store
