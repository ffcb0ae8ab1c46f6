#include "relay/cli/byte_sink.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ostream>
#include <system_error>
#include <utility>

namespace carillon::cli {
namespace {

constexpr int kSinkPatienceMs = 100;
constexpr mode_t kOwnerOnly = 0600;

tl::unexpected<std::string> errno_fault() {
  return tl::unexpected(std::generic_category().message(errno));
}

// `piece_max`: so much may be written at once without waiting.
tl::expected<ByteSink::Written, std::string> write_all(int fd, std::string_view bytes,
                                                       std::size_t piece_max,
                                                       const std::function<bool()>& stop_asked) {
  while (!bytes.empty()) {
    if (stop_asked && stop_asked()) return ByteSink::Written::kStopped;
    pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
    if (poll(&wait, 1, kSinkPatienceMs) == 0) continue;
    const ssize_t wrote = ::write(fd, bytes.data(), std::min(bytes.size(), piece_max));
    if (wrote >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno != EINTR && errno != EAGAIN) {
      return errno_fault();
    }
  }
  return ByteSink::Written::kAll;
}

class DescriptorSink : public ByteSink {
 public:
  DescriptorSink(int fd, std::function<bool()> stop_asked)
      : fd_(fd), stop_asked_(std::move(stop_asked)) {}

  tl::expected<Written, std::string> write(std::string_view bytes) override {
    // More than that a pipe that has room may yet make wait for (pipe(7)), and nobody hears
    // signals.
    return write_all(fd_, bytes, PIPE_BUF, stop_asked_);
  }
  tl::expected<void, std::string> finish() override { return {}; }

 private:
  const int fd_;
  const std::function<bool()> stop_asked_;
};

class StreamSink : public ByteSink {
 public:
  explicit StreamSink(std::ostream& stream) : stream_(stream) {}
  tl::expected<Written, std::string> write(std::string_view bytes) override {
    stream_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!stream_) return tl::unexpected(std::string("the stream failed"));
    return Written::kAll;
  }
  tl::expected<void, std::string> finish() override {
    stream_.flush();
    if (!stream_) return tl::unexpected(std::string("the stream failed"));
    return {};
  }

 private:
  std::ostream& stream_;
};

// A crash leaves `<file>.part` at any point before the rename, which the next one replaces; after
// it the whole file.
class FileSink : public ByteSink {
 public:
  FileSink(std::filesystem::path file, int fd, std::function<bool()> stop_asked)
      : file_(std::move(file)), fd_(fd), stop_asked_(std::move(stop_asked)) {}
  ~FileSink() override {
    if (fd_ >= 0) close(fd_);
    if (!finished_) unlink(part_of(file_).c_str());
  }
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  static std::string part_of(const std::filesystem::path& file) { return file.string() + ".part"; }

  tl::expected<Written, std::string> write(std::string_view bytes) override {
    return write_all(fd_, bytes, bytes.size(), stop_asked_);
  }

  tl::expected<void, std::string> finish() override {
    if (fsync(fd_) != 0) return errno_fault();
    if (close(std::exchange(fd_, -1)) != 0) return errno_fault();
    if (std::rename(part_of(file_).c_str(), file_.c_str()) != 0) return errno_fault();
    finished_ = true;
    const std::string folder = file_.parent_path().string();
    const int parent = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
    if (parent < 0) return errno_fault();
    const bool synced = fsync(parent) == 0;
    const int fault = errno;
    close(parent);
    errno = fault;
    return synced ? tl::expected<void, std::string>() : errno_fault();
  }

 private:
  const std::filesystem::path file_;
  int fd_;
  const std::function<bool()> stop_asked_;
  bool finished_ = false;
};

}  // namespace

tl::expected<std::unique_ptr<ByteSink>, std::string> open_sink(const std::filesystem::path& file,
                                                               Terminal& terminal,
                                                               std::function<bool()> stop_asked) {
  if (file == "-") {
    if (terminal.out_descriptor < 0) return std::make_unique<StreamSink>(terminal.out);
    return std::make_unique<DescriptorSink>(terminal.out_descriptor, std::move(stop_asked));
  }
  std::error_code ignored;
  // A device or a pipe is written as it is: nothing may take its name.
  if (std::filesystem::exists(file, ignored) && !std::filesystem::is_regular_file(file, ignored)) {
    return tl::unexpected(
        std::string("is there, and is no regular file; write to standard output"));
  }
  const std::string part = FileSink::part_of(file);
  if (unlink(part.c_str()) != 0 && errno != ENOENT) return errno_fault();
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly);
  if (fd < 0) return errno_fault();
  return std::make_unique<FileSink>(file, fd, std::move(stop_asked));
}

}  // namespace carillon::cli
