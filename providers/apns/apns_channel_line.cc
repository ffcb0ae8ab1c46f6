#include "providers/apns/apns_channel_line.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "providers/apns/apns_channel.h"
#include "providers/batch_line.h"
#include "providers/http2/request_head.h"
#include "providers/reason.h"

namespace carillon::push {

class ApnsChannelLine::Impl final : public http2::RequestSource,
                                    public std::enable_shared_from_this<Impl> {
 public:
  Impl(EventLoop& loop, Parts parts)
      : loop_(loop),
        queued_max_(parts.queued_max),
        calendar_(std::move(parts.calendar)),
        authority_(parts.pool.url.authority()),
        bundle_id_(std::move(parts.bundle_id)),
        token_(std::move(parts.token)),
        pool_(loop, std::move(parts.pool), *this) {}
  ~Impl() override { assert(queued_.empty() && open_.empty()); }

  // --- any thread

  void ask(ChannelRequest request, HearChannel hear) {
    auto call = std::make_shared<Call>();
    call->asked = request.kind;
    call->request = apns_channel_request(request, bundle_id_);
    call->hear = std::move(hear);
    {
      const std::lock_guard lock(mutex_);
      if (!closing_) {
        unanswered_.fetch_add(1, std::memory_order_relaxed);
        loop_.post([self = shared_from_this(), call] { self->take(call); });
        return;
      }
    }
    call->hear(not_sent("Closed"));
  }

  std::size_t unanswered() const noexcept { return unanswered_.load(std::memory_order_relaxed); }

  void close(std::chrono::milliseconds grace) {
    assert(!loop_.is_loop_thread());
    std::unique_lock lock(mutex_);
    if (!std::exchange(closing_, true)) {
      loop_.post([self = shared_from_this(), grace] { self->begin_close(grace); });
    }
    closed_changed_.wait(lock, [this] { return closed_; });
  }

  // --- http2::RequestSource

  std::size_t ready(http2::Share share) const noexcept override {
    return takes(share, LineKind::kUsual) ? queued_.size() : 0;
  }
  bool waiting() const noexcept override { return !queued_.empty(); }

  bool prepare(http2::Stream& stream, http2::Share share) override {
    if (ready(share) == 0) return false;
    open_.push_back(std::move(queued_.front()));
    queued_.pop_front();
    Call& call = *open_.back();
    write_head(call);
    stream.head = call.head.get();
    stream.body = {call.request.body, {}, {}};
    stream.owner = &call;
    stream.keep_body = true;
    stream.answer_bytes_max = kApnsChannelListBytesMax;
    return true;
  }

  void settle(http2::Stream& stream) override {
    const auto place = std::ranges::find(open_, static_cast<const Call*>(stream.owner),
                                         [](const auto& call) { return call.get(); });
    assert(place != open_.end());
    const std::shared_ptr<Call> call = std::move(*place);
    open_.erase(place);
    switch (stream.ending) {
      case http2::Ending::kAnswered:
        return on_answer(stream, call);
      case http2::Ending::kNotSent:
        return tell(*call, not_sent(stream.word));
      case http2::Ending::kOpen:
      case http2::Ending::kUnanswered:
        break;
    }
    tell(*call, {.kind = ChannelAnswer::Kind::kUnanswered, .reason = reason_of(stream.word)});
  }

  void on_turn_end() override { refresh_authorization(); }

  void on_tick(http2::LoopTime now) override {
    refresh_authorization();
    while (!queued_.empty() && now - queued_.front()->queued_at >= queued_max_) {
      drop_first(pool_.stats().connections == 0 ? "NoConnection" : "QueueTimeout");
    }
  }

 private:
  struct Call {
    ChannelRequest::Kind asked = ChannelRequest::Kind::kList;
    ApnsChannelRequest request;
    HearChannel hear;
    http2::LoopTime queued_at{};
    bool renewed = false;  // it goes for the second time, with another token
    std::shared_ptr<const std::string> authorization;
    std::unique_ptr<http2::RequestHead> head;
  };

  static ChannelAnswer not_sent(std::string_view word) {
    return {.kind = ChannelAnswer::Kind::kUnavailable, .reason = reason_of(word)};
  }

  void tell(const Call& call, ChannelAnswer answer) {
    call.hear(std::move(answer));
    unanswered_.fetch_sub(1, std::memory_order_relaxed);
  }

  void take(const std::shared_ptr<Call>& call) {
    if (stopped_) return tell(*call, not_sent("Closed"));
    call->queued_at = pool_.now();
    queued_.push_back(call);
    refresh_authorization();
    pool_.pump();
  }

  void refresh_authorization() {
    if (!token_ || queued_.empty()) return;
    const auto now = calendar_();
    authorization_ = token_->header(now);
    pool_.bring(authorization_, now, auth::ProviderToken::kKeptOnConnection);
  }

  void write_head(Call& call) const {
    call.head = std::make_unique<http2::RequestHead>();
    call.head->first = {
        http2::header_of(":method", call.request.method), http2::header_of(":scheme", "https"),
        http2::header_of(":authority", authority_), http2::header_of(":path", call.request.path)};
    if (token_) {
      call.authorization = authorization_;
      call.head->rest.push_back(http2::header_of("authorization", *call.authorization));
    }
    for (const auto& [name, value] : call.request.headers) {
      call.head->rest.push_back(http2::header_of(name, value, NGHTTP2_NV_FLAG_NO_INDEX));
    }
  }

  // Apple refused the token, so it did nothing, and another token is to be had.
  bool has_new_token(const Call& call, const ChannelAnswer& answer) {
    if (!token_ || call.renewed || stopped_) return false;
    using Refusal = auth::ProviderToken::Refusal;
    const auto now = calendar_();
    if (answer.reason == "ExpiredProviderToken") {
      return token_->on_expired(*call.authorization, now) != Refusal::kTooYoung;
    }
    if (answer.reason == "InvalidProviderToken") {
      return token_->on_invalid(*call.authorization, now) != Refusal::kTooYoung;
    }
    return false;
  }

  void on_answer(const http2::Stream& stream, const std::shared_ptr<Call>& call) {
    ChannelAnswer answer = read_apns_channel_reply(
        call->asked, {stream.status, stream.answer_body, stream.channel_id, stream.request_id});
    if (stream.status == 403) pool_.retire(stream);  // Apple has judged it with what it brought
    if (!has_new_token(*call, answer)) return tell(*call, std::move(answer));
    call->renewed = true;
    queued_.push_front(call);
    loop_.post([self = shared_from_this()] {
      if (self->stopped_) return;
      self->refresh_authorization();
      self->pool_.pump();
    });
  }

  void drop_first(std::string_view word) {
    const std::shared_ptr<Call> call = std::move(queued_.front());
    queued_.pop_front();
    tell(*call, not_sent(word));
  }

  void begin_close(std::chrono::milliseconds grace) {
    stopped_ = true;
    while (!queued_.empty()) drop_first("Closed");
    pool_.close(grace, [self = shared_from_this()] {
      const std::lock_guard lock(self->mutex_);
      self->closed_ = true;
      self->closed_changed_.notify_all();
    });
  }

  EventLoop& loop_;
  const http2::LoopTime queued_max_;
  const std::function<std::chrono::system_clock::time_point()> calendar_;
  const std::string authority_;
  const std::string bundle_id_;
  const std::shared_ptr<auth::ProviderToken> token_;

  // --- loop thread
  http2::Pool pool_;
  std::shared_ptr<const std::string> authorization_;  // null: requests need none
  std::deque<std::shared_ptr<Call>> queued_;          // the first has waited longest
  std::vector<std::shared_ptr<Call>> open_;
  bool stopped_ = false;

  // --- any thread
  std::atomic<std::size_t> unanswered_{0};
  std::mutex mutex_;  // for what follows
  std::condition_variable closed_changed_;
  bool closing_ = false, closed_ = false;
};

ApnsChannelLine::ApnsChannelLine(EventLoop& loop, Parts parts)
    : impl_(std::make_shared<Impl>(loop, std::move(parts))) {}
ApnsChannelLine::~ApnsChannelLine() {
  close(std::chrono::milliseconds(0));
}
void ApnsChannelLine::ask(ChannelRequest request, HearChannel hear) {
  impl_->ask(std::move(request), std::move(hear));
}
std::size_t ApnsChannelLine::unanswered() const noexcept {
  return impl_->unanswered();
}
void ApnsChannelLine::close(std::chrono::milliseconds grace) {
  impl_->close(grace);
}

}  // namespace carillon::push
