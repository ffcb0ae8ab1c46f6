// Batches of targets for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "providers/provider.h"

namespace carillon::push::test {

inline constexpr const char* kEventId = "018f6f1e-7d3a-7c3b-9a55-3a2f6f0e1c11";

inline Notification hello() {
  Notification notification;
  notification.event_id = kEventId;
  notification.title = "New upload";
  notification.body = "Channel 42";
  notification.expires_at = std::chrono::sys_seconds(std::chrono::seconds(2'000'000'000));
  return notification;
}

inline std::array<std::uint8_t, 16> id_of(std::uint64_t tag) {
  std::array<std::uint8_t, 16> id{};
  for (unsigned i = 0; i < 8; ++i) id[15 - i] = static_cast<std::uint8_t>(tag >> (8 * i));
  return id;
}

// 64 hexadecimal digits that end in the tag: good for APNs and for FCM.
inline std::string token_of(std::uint64_t tag) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string token(64, 'a');
  for (std::size_t i = 0; i < 16; ++i) token[63 - i] = kDigits[tag >> (4 * i) & 15];
  return token;
}

inline PushBatch batch_of(std::shared_ptr<const RenderedMessage> message, std::uint64_t first_tag,
                          std::size_t count) {
  PushBatch batch{.message = std::move(message), .targets = {}, .tokens = {}};
  for (std::uint64_t tag = first_tag; tag < first_tag + count; ++tag) {
    const std::string token = token_of(tag);
    batch.targets.push_back({.tag = tag,
                             .id = id_of(tag),
                             .token_offset = static_cast<std::uint32_t>(batch.tokens.size()),
                             .token_length = static_cast<std::uint32_t>(token.size())});
    batch.tokens += token;
  }
  return batch;
}

inline std::shared_ptr<const RenderedMessage> render_shared(const Provider& provider,
                                                            const Notification& notification) {
  auto rendered = provider.render(notification, std::chrono::system_clock::now());
  return std::make_shared<const RenderedMessage>(std::move(rendered.value()));
}

}  // namespace carillon::push::test
