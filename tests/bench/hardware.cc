#include "tests/bench/hardware.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "storage/sqlite/sqlite_store.h"

namespace carillon::bench {
namespace {

std::string value_after(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t at = line.find_first_not_of(" \t:", key.size());
    return at == std::string::npos ? std::string() : line.substr(at);
  }
  return "unknown";
}

}  // namespace

std::vector<std::string> describe_hardware(const std::string& folder) {
  utsname kernel{};
  ::uname(&kernel);
  struct statvfs disk {};
  ::statvfs(folder.c_str(), &disk);
  const store::SqliteStoreOptions options;
  return {
      fmt::format("cpu       {}, family {} model {}, {} cores",
                  value_after("/proc/cpuinfo", "model name"),
                  value_after("/proc/cpuinfo", "cpu family"),
                  value_after("/proc/cpuinfo", "model\t"), std::thread::hardware_concurrency()),
      fmt::format("memory    {}", value_after("/proc/meminfo", "MemTotal")),
      fmt::format("kernel    {} {}", kernel.sysname, kernel.release),
      fmt::format("folder    {}, {} GiB free", folder,
                  static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize >> 30),
      fmt::format("sqlite    {}", sqlite3_libversion()),
      fmt::format(
          "settings  WAL, synchronous=FULL, page 4096, writer cache {} MiB, reader cache {} "
          "MiB, groups of {} or {} ms, log limit {} MiB",
          options.writer_cache_kib >> 10, options.reader_cache_kib >> 10,
          options.group_requests_max, options.group_wait.count(), options.wal_bytes_max >> 20),
  };
}

}  // namespace carillon::bench
