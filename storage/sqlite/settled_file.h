// A store file that nobody changes, for a user who may not write beside it.
//
// SQLite reads a store in WAL mode through an index in shared memory, `<path>-shm`. While somebody
// has the store open it is there and can be read; when nobody has, it has to be made, which a user
// who may not write in the folder cannot. Then the file holds everything, and SQLite may read it
// alone if it is promised that it stays as it is. Nobody can promise that: so whoever reads it that
// way asks afterwards whether it was so, before using what was read. All changes go to `<path>-wal`
// first, and from there to the file, which changes its times.
#pragma once

#include <sys/stat.h>

#include <string>

namespace carillon::store::sqlite {

// Open it with Database::Access::kSettled. Any thread.
class SettledFile {
 public:
  // False: there is a log beside it, so that it does not hold everything.
  static bool is(const std::string& path);

  explicit SettledFile(std::string path);
  // Throws kBusy unless it has been as it was all the time since the constructor.
  void check() const;

 private:
  const std::string path_;
  struct ::stat before_ {};
};

}  // namespace carillon::store::sqlite
