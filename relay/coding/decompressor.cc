#include "relay/coding/decompressor.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

namespace carillon::coding {
namespace {

constexpr std::size_t kPieceBytes = 128 * 1024;
// zlib counts what it is given in 32 bits.
constexpr std::size_t kZlibInputMax = 1U << 30;
constexpr int kGzipOnly = 15 + 16;  // inflateInit2: the largest window, and no other format

using Piece = tl::expected<std::string_view, CodingFault>;

}  // namespace

class Decompressor::Stream {
 public:
  virtual ~Stream() = default;
  virtual Piece next(std::string_view& input) = 0;
  virtual bool at_an_end() const = 0;  // of a member or frame, at least one

 protected:
  std::vector<char> piece_ = std::vector<char>(kPieceBytes);
};

class Decompressor::Gzip : public Stream {
 public:
  Gzip() {
    if (inflateInit2(&zlib_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { inflateEnd(&zlib_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  Piece next(std::string_view& input) override {
    while (true) {
      // After a full piece there may be more without further input.
      if (input.empty() && !more_) return std::string_view();
      if (ended_ && !input.empty()) {
        inflateReset(&zlib_);
        ended_ = false;
      }
      const std::size_t given = std::min(input.size(), kZlibInputMax);
      // zlib does not write to its input; its type is older than const.
      zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
      zlib_.avail_in = static_cast<uInt>(given);
      zlib_.next_out = reinterpret_cast<Bytef*>(piece_.data());
      zlib_.avail_out = static_cast<uInt>(piece_.size());
      const int result = inflate(&zlib_, Z_NO_FLUSH);
      input.remove_prefix(given - zlib_.avail_in);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        return tl::unexpected(CodingFault::kMalformed);
      }
      ended_ = result == Z_STREAM_END;
      more_ = zlib_.avail_out == 0 && !ended_;
      if (const std::size_t size = piece_.size() - zlib_.avail_out; size > 0) {
        return std::string_view(piece_.data(), size);
      }
    }
  }
  bool at_an_end() const override { return ended_; }

 private:
  z_stream zlib_{};
  bool ended_ = false;
  bool more_ = false;
};

class Decompressor::Zstd : public Stream {
 public:
  explicit Zstd(unsigned window_log_max) : zstd_(ZSTD_createDStream()) {
    if (zstd_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(zstd_, ZSTD_d_windowLogMax, static_cast<int>(window_log_max));
  }
  ~Zstd() override { ZSTD_freeDStream(zstd_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  Piece next(std::string_view& input) override {
    while (true) {
      if (input.empty() && !more_) return std::string_view();
      ZSTD_inBuffer in{.src = input.data(), .size = input.size(), .pos = 0};
      ZSTD_outBuffer out{.dst = piece_.data(), .size = piece_.size(), .pos = 0};
      const std::size_t result = ZSTD_decompressStream(zstd_, &out, &in);
      if (ZSTD_isError(result)) {
        const bool window = ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge;
        return tl::unexpected(window ? CodingFault::kTooLarge : CodingFault::kMalformed);
      }
      input.remove_prefix(in.pos);
      ended_ = result == 0;
      more_ = out.pos == out.size;
      if (out.pos > 0) return std::string_view(piece_.data(), out.pos);
    }
  }
  bool at_an_end() const override { return ended_; }

 private:
  ZSTD_DStream* zstd_;
  bool ended_ = false;
  bool more_ = false;
};

Decompressor::Decompressor(Options options) : options_(options) {
  if (options_.coding) begin();
}

Decompressor::~Decompressor() = default;

void Decompressor::begin() {
  begun_ = true;
  if (!options_.coding) options_.coding = coding_of_bytes(first_);
  switch (*options_.coding) {
    case Coding::kNone:
      break;
    case Coding::kGzip:
      stream_ = std::make_unique<Gzip>();
      break;
    case Coding::kZstd:
      stream_ = std::make_unique<Zstd>(options_.zstd_window_log_max);
      break;
  }
}

Piece Decompressor::counted(std::string_view data) {
  if (data.size() > options_.data_bytes_max - data_bytes_) {
    return tl::unexpected(CodingFault::kTooLarge);
  }
  data_bytes_ += data.size();
  return data;
}

Piece Decompressor::decode(std::string_view& input) {
  if (stream_) {
    const Piece piece = stream_->next(input);
    return piece ? counted(*piece) : piece;
  }
  return counted(std::exchange(input, {}));
}

Piece Decompressor::next(std::string_view& input) {
  if (!begun_) {
    const std::size_t taken = std::min(input.size(), kMagicBytes - first_.size());
    first_ += input.substr(0, taken);
    input.remove_prefix(taken);
    if (first_.size() < kMagicBytes) return std::string_view();
    begin();
  }
  while (first_used_ < first_.size()) {
    std::string_view held = std::string_view(first_).substr(first_used_);
    const Piece piece = decode(held);
    first_used_ = first_.size() - held.size();
    if (!piece || !piece->empty()) return piece;
  }
  return decode(input);
}

Piece Decompressor::finish() {
  if (!begun_) {
    begin();
    std::string_view held = first_;
    if (!stream_) return decode(held);
    const Piece piece = decode(held);
    return piece ? tl::unexpected(CodingFault::kMalformed) : piece;
  }
  if (stream_ && !stream_->at_an_end()) return tl::unexpected(CodingFault::kMalformed);
  return std::string_view();
}

}  // namespace carillon::coding
