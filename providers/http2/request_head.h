// The headers of requests that differ in little: what is the same in all of them, encoded once.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace carillon::push::http2 {

// A header that points to texts which outlive it.
inline nghttp2_nv header_of(std::string_view name, std::string_view value,
                            std::uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
  // nghttp2's structure is not const, but it only reads what it does not copy.
  return {.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          .value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = static_cast<std::uint8_t>(NGHTTP2_NV_FLAG_NO_COPY_NAME |
                                             NGHTTP2_NV_FLAG_NO_COPY_VALUE | flags)};
}

// Names are lower case. On the wire: `first`, the request's own path, `rest`, the request's own id.
// Not to be changed once a request was started with it; lives until the last of them has ended.
struct RequestHead {
  std::vector<nghttp2_nv> first;  // the pseudo headers, with :path if all requests have the same
  bool path_differs = false;      // each request brings its own in Stream::path
  std::vector<nghttp2_nv> rest;
  std::string_view id_name;  // the header that each request brings in Stream::id_text; empty: none
  // Tells heads apart; an address would be used again.
  std::uint64_t number = next_number();

  static std::uint64_t next_number() noexcept {
    static std::atomic<std::uint64_t> latest{0};
    return latest.fetch_add(1, std::memory_order_relaxed) + 1;
  }
};

// HPACK (RFC 7541) for one connection. Nearly all of a notification's headers are those of the one
// before, so their bytes are kept and only path and id are written anew. nghttp2's own session
// would Huffman-code authorization and path for every request: a third of what a notification
// costs. One thread; blocks must reach the peer in the order in which they were encoded, all of
// them.
class HeaderEncoder {
 public:
  // RFC 7541, 4.2 and RFC 9113, 6.5.2: until the peer says otherwise. We never use more.
  static constexpr std::size_t kTableBytesMax = 4'096;

  HeaderEncoder();

  // The peer's SETTINGS_HEADER_TABLE_SIZE; every one, in order: the smallest must be acknowledged.
  void resize_table(std::size_t bytes);

  // Appends the header block of a request. Throws std::bad_alloc.
  void encode(const RequestHead& head, std::string_view path, std::string_view id,
              std::vector<std::uint8_t>& out);

 private:
  void encode_anew(const RequestHead& head);
  void deflate(const std::vector<nghttp2_nv>& headers, std::vector<std::uint8_t>& out);

  struct Deleter {
    void operator()(nghttp2_hd_deflater* deflater) const noexcept {
      nghttp2_hd_deflate_del(deflater);
    }
  };
  std::unique_ptr<nghttp2_hd_deflater, Deleter> deflater_;
  std::size_t table_bytes_ = kTableBytesMax;

  // The latest head and its bytes. `settled_`: encoding it again would give the same bytes and
  // leave the table as it is.
  std::uint64_t number_ = 0;
  bool settled_ = false;
  std::vector<std::uint8_t> first_, rest_;
  std::vector<std::uint8_t> new_first_, new_rest_;
};

}  // namespace carillon::push::http2
