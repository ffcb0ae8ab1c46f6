#include "storage/sqlite/private_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace carillon::store::sqlite {
namespace {

// Read from front to back: the cache holds the inner pages and those in hand.
constexpr const char* kReadFromFrontToBack = "PRAGMA cache_size = -1024";  // KiB

double in_mib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / (1024 * 1024);
}

// An empty file that only this user can read (a store holds people's tokens); its name goes with
// the scope.
class NamedFile {
 public:
  explicit NamedFile(const std::string& folder) : name_(folder + "/.carillon-export-XXXXXX") {
    keep(::mkostemp(name_.data(), O_CLOEXEC));
  }
  enum class Again : std::uint8_t { kUnderThisName };
  NamedFile(const std::string& name, Again) : name_(name) {
    keep(::open(name_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  }
  NamedFile(const NamedFile&) = delete;
  NamedFile& operator=(const NamedFile&) = delete;
  ~NamedFile() { ::unlink(name_.c_str()); }
  const std::string& name() const { return name_; }

 private:
  void keep(int descriptor) const {
    if (descriptor < 0) {
      const int code = errno;
      fail(code == ENOSPC || code == EDQUOT ? Error::Kind::kFull : Error::Kind::kIo,
           fmt::format("the temporary file {} cannot be made: {}", name_, std::strerror(code)));
    }
    ::close(descriptor);
  }

  std::string name_;
};

// The copy's first page says WAL, as the store's does. Leaving that mode opens a log, in vain, and
// deletes it; it asks a file of the database's name whose the log is to be, so there is one
// meanwhile.
void leave_wal_mode(Database& copy) {
  const NamedFile meanwhile(copy.path(), NamedFile::Again::kUnderThisName);
  Statement leave(copy, "PRAGMA journal_mode = OFF");
  Cursor row = leave.rows();
  if (!row.next() || row.bytes(0) != "off") fail_corrupt("the mode of a copy");
}

}  // namespace

void require_room(const std::string& folder, std::uint64_t bytes, std::uint64_t bytes_free_max) {
  std::error_code unknown;
  const auto space = std::filesystem::space(folder, unknown);
  if (unknown) return;  // then the copying itself will tell
  std::uint64_t free = space.available;
  if (bytes_free_max != 0) free = std::min(free, bytes_free_max);
  if (free >= bytes + kBytesLeftFree) return;
  fail(Error::Kind::kFull,
       fmt::format("an export needs {:.1f} MiB for its copy of the store and {:.0f} MiB to spare, "
                   "and {} has {:.1f} MiB free: free space there",
                   in_mib(bytes), in_mib(kBytesLeftFree), folder, in_mib(free)));
}

std::string folder_for_copies(const std::string& store_path) {
  const std::string parent = std::filesystem::path(store_path).parent_path().string();
  const std::string beside = parent.empty() ? "." : parent;
  if (::access(beside.c_str(), W_OK) == 0) return beside;
  std::error_code none;
  const auto temporary = std::filesystem::temp_directory_path(none);
  return none ? beside : temporary.string();
}

PrivateCopy::PrivateCopy(Database& from, const std::string& folder, const CopyProgress& progress) {
  {
    const NamedFile file(folder);
    database_.emplace(file.name(), Database::Access::kReadWrite);
  }
  copy_pages(from, *database_, progress);
  leave_wal_mode(*database_);
  database_->execute("PRAGMA query_only = ON");
  database_->execute(kReadFromFrontToBack);
}

}  // namespace carillon::store::sqlite
