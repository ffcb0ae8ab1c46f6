// /v1/apps/{app}/channels: a platform's broadcast channels. The platform keeps them; nothing of
// them is stored here.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <string_view>

#include "providers/broadcast_channel.h"
#include "relay/api/desk.h"
#include "relay/api/publisher.h"
#include "relay/fanout/engine.h"

namespace carillon::api {

// Requests that wait for the platform's word, of all apps together. None of them holds a worker.
inline constexpr std::size_t kChannelCallsMax = 64;

// The answer to a client. Pure. `app` is the path's.
Reply channel_reply(const push::ChannelRequest& asked, const push::ChannelAnswer& answer,
                    std::string_view app);

// Any thread. The answer comes later, within push::kChannelQueuedMax and push::kChannelAnswerMax.
class ChannelsResource {
 public:
  ChannelsResource(Publisher& publisher, fanout::Clocks clocks)
      : publisher_(publisher), clocks_(std::move(clocks)) {}

  std::optional<Reply> create(const Admission& admission, std::string_view body, Later later);
  std::optional<Reply> list(const Admission& admission, Later later);
  // kShow, kDelete
  std::optional<Reply> ask_of_one(const Admission& admission, push::ChannelRequest::Kind kind,
                                  Later later);
  std::optional<Reply> broadcast(const Admission& admission, std::string_view body, Later later);

 private:
  std::optional<Reply> ask(const Admission& admission, push::ChannelRequest request, Later later);

  Publisher& publisher_;
  const fanout::Clocks clocks_;
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace carillon::api
