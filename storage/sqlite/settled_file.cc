#include "storage/sqlite/settled_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {
namespace {

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool is_settled(const std::string& path) {
  struct ::stat log {};
  if (::stat((path + "-wal").c_str(), &log) != 0) return errno == ENOENT;
  return log.st_size == 0;
}

}  // namespace

bool SettledFile::is(const std::string& path) {
  return is_settled(path);
}

SettledFile::SettledFile(std::string path) : path_(std::move(path)) {
  if (::stat(path_.c_str(), &before_) != 0) {
    fail(Error::Kind::kIo,
         fmt::format("the store {} cannot be looked at: {}", path_, std::strerror(errno)));
  }
}

void SettledFile::check() const {
  struct ::stat now {};
  const bool same = is_settled(path_) && ::stat(path_.c_str(), &now) == 0 &&
                    now.st_dev == before_.st_dev && now.st_ino == before_.st_ino &&
                    now.st_size == before_.st_size && same_time(now.st_mtim, before_.st_mtim) &&
                    same_time(now.st_ctim, before_.st_ctim);
  if (same) return;
  fail(Error::Kind::kBusy,
       fmt::format("the store {} was opened to write while it was read: try again", path_));
}

}  // namespace carillon::store::sqlite
