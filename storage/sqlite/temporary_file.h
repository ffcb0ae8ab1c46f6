// A file without a name that is written once from front to back and read anywhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace carillon::store::sqlite {

class TemporaryFile {
 public:
  // Takes room in `folder`; gone with the process. Throws StoreFailure, as all calls do: kFull,
  // kIo.
  explicit TemporaryFile(const std::string& folder);
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();

  void append(std::string_view bytes);
  std::uint64_t size() const { return size_; }
  // Exactly `size` bytes. From any thread while nobody appends.
  void read(std::uint64_t offset, void* to, std::size_t size) const;

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace carillon::store::sqlite
