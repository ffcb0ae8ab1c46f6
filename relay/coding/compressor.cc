#include "relay/coding/compressor.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cassert>
#include <new>

namespace carillon::coding {
namespace {

constexpr std::size_t kStepBytes = 64 * 1024;  // what the output grows by
// zlib counts what it is given in 32 bits.
constexpr std::size_t kDeflateInputMax = 1U << 30;
constexpr int kGzipWindow = 15 + 16;  // deflateInit2: the largest window, in a gzip member
// The defaults of both commands are 6 and 3. An export is written while somebody waits for it.
constexpr int kGzipLevel = 3;
constexpr int kZstdLevel = 3;

}  // namespace

class Compressor::Stream {
 public:
  virtual ~Stream() = default;
  virtual void run(std::string_view data, bool last, std::string& out) = 0;
};

class Compressor::Gzip : public Stream {
 public:
  Gzip() {
    constexpr int kMemoryLevel = 8;
    if (deflateInit2(&zlib_, kGzipLevel, Z_DEFLATED, kGzipWindow, kMemoryLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Gzip() override { deflateEnd(&zlib_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  void run(std::string_view data, bool last, std::string& out) override {
    do {
      const std::size_t given = std::min(data.size(), kDeflateInputMax);
      zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
      zlib_.avail_in = static_cast<uInt>(given);
      data.remove_prefix(given);
      do {
        const std::size_t before = out.size();
        out.resize(before + kStepBytes);
        zlib_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
        zlib_.avail_out = kStepBytes;
        [[maybe_unused]] const int result =
            deflate(&zlib_, last && data.empty() ? Z_FINISH : Z_NO_FLUSH);
        assert(result != Z_STREAM_ERROR);
        out.resize(before + kStepBytes - zlib_.avail_out);
      } while (zlib_.avail_out == 0);
    } while (!data.empty());
  }

 private:
  z_stream zlib_{};
};

class Compressor::Zstd : public Stream {
 public:
  Zstd() : zstd_(ZSTD_createCCtx()) {
    if (zstd_ == nullptr) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(zstd_, ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(zstd_, ZSTD_c_checksumFlag, 1);
  }
  ~Zstd() override { ZSTD_freeCCtx(zstd_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  void run(std::string_view data, bool last, std::string& out) override {
    ZSTD_inBuffer in{.src = data.data(), .size = data.size(), .pos = 0};
    std::size_t left = 0;
    do {
      const std::size_t before = out.size();
      out.resize(before + kStepBytes);
      ZSTD_outBuffer to{.dst = out.data() + before, .size = kStepBytes, .pos = 0};
      left = ZSTD_compressStream2(zstd_, &to, &in, last ? ZSTD_e_end : ZSTD_e_continue);
      out.resize(before + to.pos);
      assert(!ZSTD_isError(left));
      if (ZSTD_isError(left)) throw std::bad_alloc();  // the only way to fail that is left
    } while (in.pos < in.size || (last && left > 0));
  }

 private:
  ZSTD_CCtx* zstd_;
};

Compressor::Compressor(Coding coding) {
  if (coding == Coding::kGzip) stream_ = std::make_unique<Gzip>();
  if (coding == Coding::kZstd) stream_ = std::make_unique<Zstd>();
}

Compressor::~Compressor() = default;

void Compressor::add(std::string_view data, std::string& out) {
  if (stream_) {
    stream_->run(data, /*last=*/false, out);
  } else {
    out += data;
  }
}

void Compressor::finish(std::string& out) {
  if (stream_) stream_->run({}, /*last=*/true, out);
}

}  // namespace carillon::coding
