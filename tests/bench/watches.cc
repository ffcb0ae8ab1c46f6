#include "tests/bench/watches.h"

#include <fcntl.h>
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace carillon::bench {

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void begin_resident_peak() {
  ::malloc_trim(0);  // what an earlier measurement left with the allocator is not this one's
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets VmHWM
}

double resident_peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("VmHWM:")) continue;
    double kib = 0;
    std::istringstream(line.substr(6)) >> kib;
    return kib / 1024;
  }
  return 0;
}

FileSizePeak::FileSizePeak(std::string path) : path_(std::move(path)) {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      std::error_code gone;
      const auto size = std::filesystem::file_size(path_, gone);
      if (!gone) peak_.store(std::max<std::uint64_t>(peak_.load(), size));
      wake_.wait_for(lock, std::chrono::milliseconds(10), [this] { return stopping_; });
    }
  });
}

FileSizePeak::~FileSizePeak() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void drop_from_page_cache(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ::fdatasync(file);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::close(file);
}

void bring_into_page_cache(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<char> block(std::size_t{1} << 20);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size()))) {
  }
}

}  // namespace carillon::bench
