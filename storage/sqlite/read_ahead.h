// Brings the tables that a registration asks into the page cache after a start, in the background.
//
// A registration reads three names, a subscriber and a device, each somewhere else in the file.
// With a cold cache each is a read of the disk, and the writer waits for one after the other: a
// sixth of the speed that the same file has a minute later. From front to back they are there in
// seconds.
#pragma once

#include <atomic>
#include <string>
#include <thread>

namespace carillon::store::sqlite {

class ReadAhead {
 public:
  // Does nothing if the file is larger than half of the machine's memory: what it read last would
  // push out what it read first.
  explicit ReadAhead(std::string path);
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead();  // within some milliseconds

 private:
  void run();

  const std::string path_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace carillon::store::sqlite
