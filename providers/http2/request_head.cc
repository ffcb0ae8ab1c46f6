#include "providers/http2/request_head.h"

#include <algorithm>
#include <new>

namespace carillon::push::http2 {
namespace {

// RFC 7541, 6.2.2, literal without indexing: the name is entry 4 of the static table (":path"), or
// follows.
constexpr std::uint8_t kLiteralPath = 0x04;
constexpr std::uint8_t kLiteralWithName = 0x00;
// 4.1: what an entry takes beyond its texts.
constexpr std::size_t kEntryOverheadBytes = 32;

// 5.2, not Huffman-coded: a fifth longer than it could be, for a copy instead of a loop over bits.
void put_text(std::string_view text, std::vector<std::uint8_t>& out) {
  constexpr std::size_t kPrefixMax = 0x7f;  // 5.1, a prefix of seven bits
  if (text.size() < kPrefixMax) {
    out.push_back(static_cast<std::uint8_t>(text.size()));
  } else {
    out.push_back(kPrefixMax);
    std::size_t left = text.size() - kPrefixMax;
    for (; left >= 0x80; left >>= 7) out.push_back(static_cast<std::uint8_t>(left | 0x80));
    out.push_back(static_cast<std::uint8_t>(left));
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  out.insert(out.end(), bytes, bytes + text.size());  // same type: a copy, not a loop
}

std::size_t table_bytes(const std::vector<nghttp2_nv>& headers) {
  std::size_t bytes = 0;
  for (const nghttp2_nv& header : headers) {
    if ((header.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0) continue;
    bytes += header.namelen + header.valuelen + kEntryOverheadBytes;
  }
  return bytes;
}

}  // namespace

HeaderEncoder::HeaderEncoder() {
  nghttp2_hd_deflater* deflater = nullptr;
  if (nghttp2_hd_deflate_new(&deflater, kTableBytesMax) != 0) throw std::bad_alloc();
  deflater_.reset(deflater);
}

void HeaderEncoder::resize_table(std::size_t bytes) {
  // nghttp2 tells the peer with the next block, and the smallest in between if there were several.
  if (nghttp2_hd_deflate_change_table_size(deflater_.get(), bytes) != 0) throw std::bad_alloc();
  table_bytes_ = std::min(bytes, kTableBytesMax);
  number_ = 0;
  settled_ = false;
}

void HeaderEncoder::encode(const RequestHead& head, std::string_view path, std::string_view id,
                           std::vector<std::uint8_t>& out) {
  if (head.number != number_ || !settled_) encode_anew(head);
  out.insert(out.end(), first_.begin(), first_.end());
  if (head.path_differs) {
    out.push_back(kLiteralPath);
    put_text(path, out);
  }
  out.insert(out.end(), rest_.begin(), rest_.end());
  if (!head.id_name.empty()) {
    out.push_back(kLiteralWithName);
    put_text(head.id_name, out);
    put_text(id, out);
  }
}

// The first time headers enter the table, the second time they are found there. Two equal results
// mean that nothing entered it: what is missing from the table is written differently from what is
// in it, and what enters it stays at least until the next time if all of them fit at once.
void HeaderEncoder::encode_anew(const RequestHead& head) {
  new_first_.clear();
  new_rest_.clear();
  deflate(head.first, new_first_);
  deflate(head.rest, new_rest_);
  settled_ = head.number == number_ && new_first_ == first_ && new_rest_ == rest_ &&
             table_bytes(head.first) + table_bytes(head.rest) <= table_bytes_;
  number_ = head.number;
  first_.swap(new_first_);
  rest_.swap(new_rest_);
}

void HeaderEncoder::deflate(const std::vector<nghttp2_nv>& headers,
                            std::vector<std::uint8_t>& out) {
  out.resize(nghttp2_hd_deflate_bound(deflater_.get(), headers.data(), headers.size()));
  const ssize_t size = nghttp2_hd_deflate_hd(deflater_.get(), out.data(), out.size(),
                                             headers.data(), headers.size());
  if (size < 0) throw std::bad_alloc();  // the bound rules out that there is too little room
  out.resize(static_cast<std::size_t>(size));
}

}  // namespace carillon::push::http2
