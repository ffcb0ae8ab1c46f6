#include "relay/cli/byte_source.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <istream>
#include <system_error>
#include <utility>

namespace carillon::cli {
namespace {

constexpr int kPatienceMs = 100;

std::string errno_text() {
  return std::generic_category().message(errno);
}

class DescriptorSource : public ByteSource {
 public:
  DescriptorSource(int fd, bool owned, std::optional<std::uintmax_t> bytes,
                   std::function<bool()> stop_asked)
      : fd_(fd), owned_(owned), bytes_(bytes), stop_asked_(std::move(stop_asked)) {}
  ~DescriptorSource() override {
    if (owned_) close(fd_);
  }
  DescriptorSource(const DescriptorSource&) = delete;
  DescriptorSource& operator=(const DescriptorSource&) = delete;

  tl::expected<Block, std::string> read(std::span<char> block) override {
    while (true) {
      if (stop_asked_ && stop_asked_()) return Block{.state = State::kStopped};
      pollfd wait{.fd = fd_, .events = POLLIN, .revents = 0};
      if (poll(&wait, 1, kPatienceMs) == 0) continue;
      const ssize_t got = ::read(fd_, block.data(), block.size());
      if (got > 0) return Block{.state = State::kData, .bytes = static_cast<std::size_t>(got)};
      if (got == 0) return Block{};
      if (errno != EINTR && errno != EAGAIN) return tl::unexpected(errno_text());
    }
  }
  std::optional<std::uintmax_t> bytes_total() const override { return bytes_; }

 private:
  const int fd_;
  const bool owned_;
  const std::optional<std::uintmax_t> bytes_;
  const std::function<bool()> stop_asked_;
};

class StreamSource : public ByteSource {
 public:
  StreamSource(std::istream& stream, std::function<bool()> stop_asked)
      : stream_(stream), stop_asked_(std::move(stop_asked)) {}

  tl::expected<Block, std::string> read(std::span<char> block) override {
    if (stop_asked_ && stop_asked_()) return Block{.state = State::kStopped};
    stream_.read(block.data(), static_cast<std::streamsize>(block.size()));
    if (stream_.bad()) return tl::unexpected(std::string("the stream failed"));
    const auto bytes = static_cast<std::size_t>(stream_.gcount());
    return bytes > 0 ? Block{.state = State::kData, .bytes = bytes} : Block{};
  }

 private:
  std::istream& stream_;
  const std::function<bool()> stop_asked_;
};

}  // namespace

tl::expected<std::unique_ptr<ByteSource>, std::string> open_source(
    const std::filesystem::path& file, Terminal& terminal, std::function<bool()> stop_asked) {
  if (file == "-") {
    if (terminal.in_descriptor < 0) {
      return std::make_unique<StreamSource>(terminal.in, std::move(stop_asked));
    }
    return std::make_unique<DescriptorSource>(terminal.in_descriptor, /*owned=*/false, std::nullopt,
                                              std::move(stop_asked));
  }
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return tl::unexpected(errno_text());
  std::error_code no_size;
  std::optional<std::uintmax_t> bytes;
  if (std::filesystem::is_regular_file(file, no_size)) {
    bytes = std::filesystem::file_size(file, no_size);
  }
  return std::make_unique<DescriptorSource>(fd, /*owned=*/true, bytes, std::move(stop_asked));
}

}  // namespace carillon::cli
