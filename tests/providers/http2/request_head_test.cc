#include "providers/http2/request_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace carillon::push::http2::request_head_test {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

// A peer: decodes one block after the other, as its table and ours must agree.
class Peer {
 public:
  Peer() {
    nghttp2_hd_inflater* made = nullptr;
    EXPECT_EQ(nghttp2_hd_inflate_new(&made), 0);
    inflater_.reset(made);
  }

  void set_table_size(std::size_t bytes) {
    EXPECT_EQ(nghttp2_hd_inflate_change_table_size(inflater_.get(), bytes), 0);
  }

  Headers decode(const std::vector<std::uint8_t>& block) {
    Headers headers;
    const std::uint8_t* at = block.data();
    std::size_t left = block.size();
    for (;;) {
      nghttp2_nv header{};
      int flags = 0;
      const ssize_t used =
          nghttp2_hd_inflate_hd2(inflater_.get(), &header, &flags, at, left, /*in_final=*/1);
      EXPECT_GE(used, 0) << nghttp2_strerror(static_cast<int>(used));
      if (used < 0) break;
      at += used;
      left -= static_cast<std::size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        headers.emplace_back(
            std::string(reinterpret_cast<const char*>(header.name), header.namelen),
            std::string(reinterpret_cast<const char*>(header.value), header.valuelen));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
        nghttp2_hd_inflate_end_headers(inflater_.get());
        break;
      }
    }
    return headers;
  }

 private:
  struct Deleter {
    void operator()(nghttp2_hd_inflater* inflater) const { nghttp2_hd_inflate_del(inflater); }
  };
  std::unique_ptr<nghttp2_hd_inflater, Deleter> inflater_;
};

// A head with the texts that it points to.
struct OwnedHead {
  Headers first, rest;
  std::string id_name;
  RequestHead head;

  OwnedHead(Headers first_in, bool path_differs, Headers rest_in, std::string id_name_in)
      : first(std::move(first_in)), rest(std::move(rest_in)), id_name(std::move(id_name_in)) {
    for (const auto& [name, value] : first) head.first.push_back(header_of(name, value));
    for (const auto& [name, value] : rest) head.rest.push_back(header_of(name, value));
    head.path_differs = path_differs;
    head.id_name = id_name;
  }
  OwnedHead(const OwnedHead&) = delete;

  Headers with(const std::string& path, const std::string& id) const {
    Headers all = first;
    if (head.path_differs) all.emplace_back(":path", path);
    all.insert(all.end(), rest.begin(), rest.end());
    if (!id_name.empty()) all.emplace_back(id_name, id);
    return all;
  }
};

std::vector<std::uint8_t> encoded(HeaderEncoder& encoder, const OwnedHead& head,
                                  const std::string& path = "/", const std::string& id = "") {
  std::vector<std::uint8_t> block;
  encoder.encode(head.head, path, id, block);
  return block;
}

const Headers kPseudo = {{":method", "POST"}, {":scheme", "https"}, {":authority", "a.test"}};

TEST(HeaderEncoder, FromTheThirdRequestOnWritesOnlyWhatDiffersAndCredentials) {
  HeaderEncoder encoder;
  Peer peer;
  const std::string secret = "bearer " + std::string(200, 'q');
  const OwnedHead head(kPseudo, true, {{"authorization", secret}, {"apns-topic", "com.example"}},
                       "apns-id");
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 5; ++i) {
    const std::string path = "/3/device/" + std::string(64, static_cast<char>('a' + i));
    const std::string id(36, static_cast<char>('0' + i));
    const auto block = encoded(encoder, head, path, id);
    EXPECT_EQ(peer.decode(block), head.with(path, id));
    sizes.push_back(block.size());
  }
  EXPECT_GT(sizes[0], sizes[1] + 10);
  EXPECT_EQ(sizes[1], sizes[2]);
  EXPECT_EQ(sizes[2], sizes[4]);
}

// RFC 7541, 7.1.3: what is secret must stay out of every table, also of those on the way.
TEST(HeaderEncoder, CredentialsAreNeverIndexed) {
  HeaderEncoder encoder;
  const OwnedHead head(kPseudo, true, {{"authorization", "bearer abc"}}, "");
  for (int i = 0; i < 4; ++i) {
    const auto block = encoded(encoder, head);
    // 6.2.3: 0001 and the name's index, 23 of the static table, of which four bits hold 15.
    EXPECT_THAT(std::vector<int>(block.begin(), block.end()), testing::Contains(0x1f)) << i;
  }
}

TEST(HeaderEncoder, TextsAreWholeWhereTheirLengthTakesAnotherByte) {
  HeaderEncoder encoder;
  Peer peer;
  const OwnedHead head(kPseudo, true, {}, "apns-id");
  for (const std::size_t size : {0u, 1u, 126u, 127u, 128u, 254u, 255u, 256u, 16'510u, 16'511u}) {
    const std::string path(size, 'p'), id(size, 'i');
    EXPECT_EQ(peer.decode(encoded(encoder, head, path, id)), head.with(path, id)) << size;
  }
}

TEST(HeaderEncoder, HeadersThatDoNotFitTheTableTogetherAreStillRight) {
  HeaderEncoder encoder;
  Peer peer;
  Headers many;
  for (int i = 0; i < 40; ++i) many.emplace_back("x-" + std::to_string(i), std::string(150, 'v'));
  const OwnedHead head(kPseudo, true, many, "");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(peer.decode(encoded(encoder, head)), head.with("/", ""));
}

TEST(HeaderEncoder, WhateverComesAfterWhateverThePeerDecodesWhatWasMeant) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&random](std::uint32_t n) {
      return static_cast<std::uint32_t>(random()) % n;
    };
    std::deque<OwnedHead> heads;
    for (int i = 0; i < 6; ++i) {
      Headers first = kPseudo, rest;
      const bool path_differs = below(2) == 0;
      if (!path_differs) first.emplace_back(":path", "/same/" + std::to_string(below(3)));
      if (below(2) == 0) rest.emplace_back("authorization", std::string(below(300) + 1, 'k'));
      for (std::uint32_t n = below(12); n > 0; --n) {
        rest.emplace_back("x-" + std::to_string(below(20)), std::string(below(900), 'v'));
      }
      heads.emplace_back(first, path_differs, rest, below(2) == 0 ? "apns-id" : "");
    }
    HeaderEncoder encoder;
    Peer peer;
    for (int step = 0; step < 60; ++step) {
      if (below(15) == 0) {
        // A peer that names two sizes at once wants to hear of the smaller.
        for (std::uint32_t n = below(2) + 1; n > 0; --n) {
          const std::size_t bytes = below(3) == 0 ? 0 : below(6'000);
          peer.set_table_size(bytes);
          encoder.resize_table(bytes);
        }
      }
      const OwnedHead& head = heads[below(static_cast<std::uint32_t>(heads.size()))];
      for (std::uint32_t n = below(5) + 1; n > 0; --n) {
        const std::string path(below(200), 'p'), id(36, 'i');
        ASSERT_EQ(peer.decode(encoded(encoder, head, path, id)), head.with(path, id));
      }
    }
  }
}

}  // namespace
}  // namespace carillon::push::http2::request_head_test
