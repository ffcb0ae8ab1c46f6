#include "storage/sqlite/token_code.h"

#include <array>

#include "storage/store.h"

namespace carillon::store::sqlite {
namespace {

constexpr std::size_t kApnsTokenBytes = 32;
constexpr std::size_t kLettersMax = 254;  // letters, so that the colon's place fits its byte
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNotInAlphabet = 0xff;

constexpr std::array<std::uint8_t, 256> kLetterValue = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNotInAlphabet);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

constexpr std::array<std::array<char, 2>, 256> kHexDigits = [] {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < 256; ++i) pairs[i] = {digits[i >> 4], digits[i & 15]};
  return pairs;
}();

constexpr std::uint8_t kNoDigit = 0x80;  // the bit that no digit's value has

constexpr std::array<std::uint8_t, 256> kDigitValue = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoDigit);
  for (std::uint8_t i = 0; i < 10; ++i) values[static_cast<std::size_t>('0' + i)] = i;
  for (std::uint8_t i = 0; i < 6; ++i) values[static_cast<std::size_t>('a' + i)] = 10 + i;
  return values;
}();

std::uint8_t digit_value(char digit) {
  return kDigitValue[static_cast<unsigned char>(digit)];
}

bool is_hex(std::string_view token) {
  if (token.empty() || token.size() % 2 != 0) return false;
  std::uint8_t any = 0;
  for (const char digit : token) any |= digit_value(digit);
  return (any & kNoDigit) == 0;
}

bool is_letters(std::string_view token) {
  std::size_t colons = 0;
  for (const char letter : token) {
    if (letter == ':') {
      ++colons;
    } else if (kLetterValue[static_cast<unsigned char>(letter)] == kNotInAlphabet) {
      return false;
    }
  }
  return colons <= 1 && token.size() <= kLettersMax && !token.empty();
}

std::size_t letter_bytes(std::size_t letters) {
  return (letters * 6 + 7) / 8;
}

void pack_letters(std::string_view token, std::string& out) {
  const std::size_t colon = token.find(':');
  const bool has_colon = colon != std::string_view::npos;
  append_varint(out, token.size() - (has_colon ? 1 : 0));
  out.push_back(static_cast<char>(has_colon ? colon + 1 : 0));
  std::uint32_t bits = 0;
  int held = 0;
  for (const char letter : token) {
    if (letter == ':') continue;
    bits = bits << 6 | kLetterValue[static_cast<unsigned char>(letter)];
    for (held += 6; held >= 8; held -= 8) out.push_back(static_cast<char>(bits >> (held - 8)));
  }
  if (held > 0) out.push_back(static_cast<char>(bits << (8 - held)));
}

// Three bytes are four letters: so many at a time, and what is left over bit by bit.
void unpack_letters(ByteReader& in, std::string& out) {
  const auto letters = in.varint_to<std::size_t>(kLettersMax);
  const std::size_t place = in.byte();
  if (place > letters + 1) in.corrupt();
  const std::uint8_t* packed = in.take(letter_bytes(letters));
  std::array<char, kLettersMax> text;
  std::size_t i = 0;
  for (; i + 4 <= letters; i += 4, packed += 3) {
    const std::uint32_t bits = static_cast<std::uint32_t>(packed[0]) << 16 |
                               static_cast<std::uint32_t>(packed[1]) << 8 | packed[2];
    text[i] = kAlphabet[bits >> 18];
    text[i + 1] = kAlphabet[bits >> 12 & 0x3f];
    text[i + 2] = kAlphabet[bits >> 6 & 0x3f];
    text[i + 3] = kAlphabet[bits & 0x3f];
  }
  std::uint32_t bits = 0;
  for (int held = 0; i < letters; ++i) {
    if (held < 6) {
      bits = bits << 8 | *packed++;
      held += 8;
    }
    held -= 6;
    text[i] = kAlphabet[bits >> held & 0x3f];
  }
  if (place == 0) {
    out.append(text.data(), letters);
    return;
  }
  out.append(text.data(), place - 1);
  out.push_back(':');
  out.append(text.data() + place - 1, letters - (place - 1));
}

void unpack_hex(const std::uint8_t* bytes, std::size_t count, std::string& out) {
  const std::size_t start = out.size();
  out.resize(start + 2 * count);
  char* to = out.data() + start;
  for (std::size_t i = 0; i < count; ++i, to += 2) {
    to[0] = kHexDigits[bytes[i]][0];
    to[1] = kHexDigits[bytes[i]][1];
  }
}

}  // namespace

TokenCode pack_token(std::string_view token, std::string& out) {
  if (is_hex(token)) {
    const std::size_t bytes = token.size() / 2;
    if (bytes != kApnsTokenBytes) append_varint(out, bytes);
    const std::size_t start = out.size();
    out.resize(start + bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
      out[start + i] =
          static_cast<char>(digit_value(token[2 * i]) << 4 | digit_value(token[2 * i + 1]));
    }
    return bytes == kApnsTokenBytes ? TokenCode::kHex32 : TokenCode::kHex;
  }
  if (is_letters(token)) {
    pack_letters(token, out);
    return TokenCode::kLetters;
  }
  append_varint(out, token.size());
  out.append(token);
  return TokenCode::kRaw;
}

void unpack_token(TokenCode code, ByteReader& in, std::string& out) {
  switch (code) {
    case TokenCode::kHex32:
      return unpack_hex(in.take(kApnsTokenBytes), kApnsTokenBytes, out);
    case TokenCode::kHex: {
      const auto bytes = in.varint_to<std::size_t>(kTokenBytesMax / 2);
      return unpack_hex(in.take(bytes), bytes, out);
    }
    case TokenCode::kLetters:
      return unpack_letters(in, out);
    case TokenCode::kRaw:
      out.append(in.view(in.varint_to<std::size_t>(kTokenBytesMax)));
      return;
  }
}

std::string_view skip_token(TokenCode code, ByteReader& in) {
  const std::uint8_t* start = in.at();
  switch (code) {
    case TokenCode::kHex32:
      in.take(kApnsTokenBytes);
      break;
    case TokenCode::kHex:
      in.take(in.varint_to<std::size_t>(kTokenBytesMax / 2));
      break;
    case TokenCode::kLetters: {
      const auto letters = in.varint_to<std::size_t>(kLettersMax);
      if (in.byte() > letters + 1) in.corrupt();
      in.take(letter_bytes(letters));
      break;
    }
    case TokenCode::kRaw:
      in.take(in.varint_to<std::size_t>(kTokenBytesMax));
      break;
  }
  return {reinterpret_cast<const char*>(start), static_cast<std::size_t>(in.at() - start)};
}

}  // namespace carillon::store::sqlite
