// nghttp2's side of HPACK, for tests of ours: codes header blocks with a table of its own.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace device_sim {

class HeaderCoder {
 public:
  explicit HeaderCoder(std::size_t table_bytes = 4'096) {
    if (nghttp2_hd_deflate_new(&deflater_, table_bytes) != 0) std::abort();
  }
  ~HeaderCoder() { nghttp2_hd_deflate_del(deflater_); }
  HeaderCoder(const HeaderCoder&) = delete;
  HeaderCoder& operator=(const HeaderCoder&) = delete;

  struct Coded {
    std::string_view name, value;
    bool is_sensitive = false;  // never indexed
  };
  std::string block(const std::vector<Coded>& fields) {
    std::vector<nghttp2_nv> values;
    for (const Coded& field : fields) {
      const auto bytes = [](std::string_view text) {
        return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
      };
      values.push_back({bytes(field.name), bytes(field.value), field.name.size(),
                        field.value.size(),
                        static_cast<std::uint8_t>(field.is_sensitive ? NGHTTP2_NV_FLAG_NO_INDEX
                                                                     : NGHTTP2_NV_FLAG_NONE)});
    }
    std::string out(nghttp2_hd_deflate_bound(deflater_, values.data(), values.size()), '\0');
    const ssize_t length =
        nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<std::uint8_t*>(out.data()), out.size(),
                              values.data(), values.size());
    if (length < 0) std::abort();
    out.resize(static_cast<std::size_t>(length));
    return out;
  }
  void resize(std::size_t table_bytes) {
    if (nghttp2_hd_deflate_change_table_size(deflater_, table_bytes) != 0) std::abort();
  }

  // A value's Huffman form; nothing if nghttp2 finds it no shorter.
  static std::optional<std::string> huffman_value(std::string_view value) {
    HeaderCoder coder;
    const std::string block = coder.block({{"x", value, true}});
    std::size_t at = 2 + (static_cast<unsigned char>(block[1]) & 0x7f);  // behind the name
    if ((static_cast<unsigned char>(block[at]) & 0x80) == 0) return std::nullopt;
    const bool is_long = (static_cast<unsigned char>(block[at++]) & 0x7f) == 0x7f;
    while (is_long && (static_cast<unsigned char>(block[at++]) & 0x80) != 0) {
    }
    return block.substr(at);
  }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

}  // namespace device_sim
