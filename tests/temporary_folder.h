#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace carillon {

// A folder that no other test has, in this process or in one beside it: tests run in several at
// once. Gone with everything in it at the end of the scope.
class TemporaryFolder {
 public:
  // kFast: in memory where the machine has such a file system. Thousands of commits are then not
  // spent waiting for a disk; what is tested is not durability.
  enum class Speed : std::uint8_t { kDisk, kFast };
  explicit TemporaryFolder(Speed speed = Speed::kDisk) {
    const std::filesystem::path memory = "/dev/shm";
    std::error_code ignored;
    const bool in_memory = speed == Speed::kFast &&
                           std::filesystem::is_directory(memory, ignored) &&
                           ::access(memory.c_str(), W_OK) == 0;
    const auto parent = in_memory ? memory : std::filesystem::temp_directory_path();
    std::string path = (parent / "carillon-test-XXXXXX").string();
    if (!::mkdtemp(path.data())) std::abort();
    path_ = path;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace carillon
