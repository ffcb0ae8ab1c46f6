#include "device-sim/gateway/header_decoder.h"

#include <array>
#include <optional>
#include <utility>

#include "device-sim/gateway/huffman.h"

namespace device_sim {
namespace {

struct StaticEntry {
  std::string_view name;
  std::string_view value;
};

// RFC 7541, appendix A; the first has index 1.
constexpr std::array<StaticEntry, 61> kStaticTable{{
    {":authority", ""},
    {":method", "GET"},
    {":method", "POST"},
    {":path", "/"},
    {":path", "/index.html"},
    {":scheme", "http"},
    {":scheme", "https"},
    {":status", "200"},
    {":status", "204"},
    {":status", "206"},
    {":status", "304"},
    {":status", "400"},
    {":status", "404"},
    {":status", "500"},
    {"accept-charset", ""},
    {"accept-encoding", "gzip, deflate"},
    {"accept-language", ""},
    {"accept-ranges", ""},
    {"accept", ""},
    {"access-control-allow-origin", ""},
    {"age", ""},
    {"allow", ""},
    {"authorization", ""},
    {"cache-control", ""},
    {"content-disposition", ""},
    {"content-encoding", ""},
    {"content-language", ""},
    {"content-length", ""},
    {"content-location", ""},
    {"content-range", ""},
    {"content-type", ""},
    {"cookie", ""},
    {"date", ""},
    {"etag", ""},
    {"expect", ""},
    {"expires", ""},
    {"from", ""},
    {"host", ""},
    {"if-match", ""},
    {"if-modified-since", ""},
    {"if-none-match", ""},
    {"if-range", ""},
    {"if-unmodified-since", ""},
    {"last-modified", ""},
    {"link", ""},
    {"location", ""},
    {"max-forwards", ""},
    {"proxy-authenticate", ""},
    {"proxy-authorization", ""},
    {"range", ""},
    {"referer", ""},
    {"refresh", ""},
    {"retry-after", ""},
    {"server", ""},
    {"set-cookie", ""},
    {"strict-transport-security", ""},
    {"transfer-encoding", ""},
    {"user-agent", ""},
    {"vary", ""},
    {"via", ""},
    {"www-authenticate", ""},
}};

Field static_field(std::size_t at) {
  static const auto kFields = [] {
    std::array<Field, kStaticTable.size()> fields{};
    for (std::size_t i = 0; i < fields.size(); ++i) fields[i] = field_of(kStaticTable[i].name);
    return fields;
  }();
  return kFields[at];
}

}  // namespace

// The block's bytes from front to back.
class HeaderDecoder::Reader {
 public:
  explicit Reader(std::string_view block) : left_(block) {}

  bool at_end() const { return left_.empty(); }
  std::uint8_t peek() const { return static_cast<std::uint8_t>(left_.front()); }

  // Section 5.1: an integer whose first byte has `prefix_bits` of it.
  std::optional<std::uint64_t> integer(unsigned prefix_bits) {
    if (left_.empty()) return std::nullopt;
    const std::uint64_t most = (1U << prefix_bits) - 1;
    std::uint64_t value = take() & most;
    if (value < most) return value;
    // Larger than any block by far, and small enough not to overflow.
    constexpr unsigned kShiftMax = 28;
    for (unsigned shift = 0; !left_.empty() && shift <= kShiftMax; shift += 7) {
      const std::uint8_t byte = take();
      value += static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return std::nullopt;
  }

  // Section 5.2: a string, still coded if `is_huffman` says so.
  std::optional<std::string_view> string(bool& is_huffman) {
    if (left_.empty()) return std::nullopt;
    is_huffman = (peek() & 0x80) != 0;
    const auto length = integer(7);
    if (!length || *length > left_.size()) return std::nullopt;
    const std::string_view text = left_.substr(0, *length);
    left_.remove_prefix(*length);
    return text;
  }

 private:
  std::uint8_t take() {
    const std::uint8_t byte = peek();
    left_.remove_prefix(1);
    return byte;
  }
  std::string_view left_;
};

HeaderDecoder::Outcome HeaderDecoder::decode(std::string_view block, Request& request) {
  Reader in(block);
  fits_ = true;
  bool may_resize = true;
  while (!in.at_end()) {
    const std::uint8_t kind = in.peek();
    if ((kind & 0x80) != 0) {  // 6.1: a field of the table
      const auto index = in.integer(7);
      if (!index || *index == 0) return Outcome::kMalformed;
      if (*index <= kStaticTable.size()) {
        const StaticEntry& entry = kStaticTable[*index - 1];
        add(static_field(*index - 1), entry.name.size(), entry.value, request);
      } else if (*index - kStaticTable.size() <= entries_.size()) {
        const Entry& entry = entries_[*index - kStaticTable.size() - 1];
        add(entry.field, entry.name.size(), entry.value, request);
      } else {
        return Outcome::kMalformed;
      }
    } else if ((kind & 0xe0) == 0x20) {  // 6.3: a new size of the table, first of all
      const auto bytes = in.integer(5);
      if (!bytes || *bytes > kTableBytesMax || !may_resize) return Outcome::kMalformed;
      table_bytes_max_ = *bytes;
      shrink_to(table_bytes_max_);
      continue;
    } else {  // 6.2: a literal; kept, or not
      const bool is_kept = (kind & 0x40) != 0;
      const auto index = in.integer(is_kept ? 6 : 4);
      if (!index || !literal(in, *index, is_kept, request)) return Outcome::kMalformed;
    }
    may_resize = false;
  }
  return fits_ ? Outcome::kDecoded : Outcome::kTooLarge;
}

bool HeaderDecoder::literal(Reader& in, std::uint64_t name_index, bool is_kept, Request& request) {
  Name name;
  bool is_huffman = false;
  if (name_index != 0) {
    if (!name_at(name_index, name)) return false;
  } else {
    const auto coded = in.string(is_huffman);
    if (!coded) return false;
    name.text = *coded;
    if (is_huffman) {
      name_.clear();
      if (!append_huffman(*coded, name_)) return false;
      name.text = name_;
    }
    name.field = field_of(name.text);
  }
  const auto coded = in.string(is_huffman);
  if (!coded) return false;
  std::string_view value = *coded;
  if (is_huffman) {
    const bool is_authorization = name.field == Field::kAuthorization;
    if (!is_authorization || *coded != authorization_coded_) {
      value_.clear();
      if (!append_huffman(*coded, value_)) return false;
      if (is_authorization) {
        authorization_coded_ = *coded;
        authorization_ = value_;
      }
    }
    value = is_authorization ? std::string_view(authorization_) : std::string_view(value_);
  }
  add(name.field, name.text.size(), value, request);
  if (is_kept) keep(name, value);
  return true;
}

bool HeaderDecoder::name_at(std::uint64_t index, Name& name) const {
  if (index <= kStaticTable.size()) {
    name = {.field = static_field(index - 1), .text = kStaticTable[index - 1].name};
    return true;
  }
  if (index - kStaticTable.size() > entries_.size()) return false;
  const Entry& entry = entries_[index - kStaticTable.size() - 1];
  name = {.field = entry.field, .text = entry.name};
  return true;
}

// Section 4.4: makes room first. An entry that is larger than the table empties it.
void HeaderDecoder::keep(const Name& name, std::string_view value) {
  Entry entry{.field = name.field, .name = std::string(name.text), .value = std::string(value)};
  const std::size_t bytes = entry.bytes();
  shrink_to(bytes > table_bytes_max_ ? 0 : table_bytes_max_ - bytes);
  if (bytes > table_bytes_max_) return;
  table_bytes_ += bytes;
  entries_.push_front(std::move(entry));
}

void HeaderDecoder::shrink_to(std::size_t bytes) {
  while (table_bytes_ > bytes) {
    table_bytes_ -= entries_.back().bytes();
    entries_.pop_back();
  }
}

void HeaderDecoder::add(Field field, std::size_t name_bytes, std::string_view value,
                        Request& request) {
  fits_ = request.add(field, name_bytes, value) && fits_;
}

}  // namespace device_sim
