// What a measurement looks at beside its own work: time, memory, the size of the log.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace carillon::bench {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  }

 private:
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// CPU time that the calling thread has had so far.
double thread_cpu_seconds();

// The largest resident memory of this process since `begin_resident_peak`, in MiB (Linux only;
// where the kernel refuses to begin anew: since the start).
void begin_resident_peak();
double resident_peak_mib();

// Looks at a file's size 100 times a second for as long as it lives.
class FileSizePeak {
 public:
  explicit FileSizePeak(std::string path);
  FileSizePeak(const FileSizePeak&) = delete;
  FileSizePeak& operator=(const FileSizePeak&) = delete;
  ~FileSizePeak();
  double mib() const { return static_cast<double>(peak_.load()) / (1 << 20); }

 private:
  const std::string path_;
  std::atomic<std::uint64_t> peak_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

// The file's pages are written back and let go of, so that the next read is the disk's.
void drop_from_page_cache(const std::string& path);
// The whole file is read, so that the next read is the cache's.
void bring_into_page_cache(const std::string& path);

}  // namespace carillon::bench
