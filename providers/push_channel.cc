#include "providers/push_channel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include "providers/batch_line.h"
#include "providers/http2/request_head.h"
#include "providers/reason.h"

namespace carillon::push {
namespace {

using http2::Ending;
using http2::LoopTime;
using http2::Share;
using http2::Stream;

// Verdicts that are handed over at once; also how many a turn collects before it does.
constexpr std::size_t kVerdictsPerCall = 1024;
// Without any connection, or with one that allows a single stream: enough to connect for, and to
// show the pool whether more connections are needed.
constexpr std::size_t kWindowMin = 64;
// A header that is the same for every target of a batch is worth a place in the peer's header table
// if this many follow it; a place costs another entry its own.
constexpr std::size_t kIndexFromTargets = 16;

}  // namespace

class PushChannel::Impl final : public http2::RequestSource,
                                public std::enable_shared_from_this<Impl> {
 public:
  Impl(EventLoop& loop, PushChannelConfig config, std::unique_ptr<PushDialect> dialect,
       VerdictSink& sink)
      : loop_(loop),
        authority_(config.pool.url.authority()),
        queued_max_(config.queued_max),
        calendar_(std::move(config.calendar)),
        dialect_(std::move(dialect)),
        token_has_body_(dialect_->token_has_body()),
        judges_success_(dialect_->judges_success()),
        credential_kept_(dialect_->credential_kept()),
        sink_(sink),
        pool_(loop, std::move(config.pool), *this) {
    verdicts_.reserve(kVerdictsPerCall);
  }

  ~Impl() override { assert(batches_.empty() && verdicts_.empty() && told_.empty()); }

  void start() {
    dialect_->start([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->on_credential_changed();
    });
  }

  // --- any thread

  void submit(PushBatch push) {
    if (push.targets.empty()) return;
    assert(push.message != nullptr);
    bool wake = false, refused = false;
    {
      const std::lock_guard lock(mutex_);
      refused = refusing_;
      if (!refused) {
        queued_.fetch_add(push.targets.size(), std::memory_order_relaxed);
        inbox_.push_back(std::move(push));
        wake = !std::exchange(awake_, true);
      }
    }
    if (refused && push.told) {
      for (const PushTarget& target : push.targets) {
        push.told({.tag = target.tag, .kind = VerdictKind::kNotSent, .reason = "Closed"});
      }
    }
    if (wake) loop_.post([self = shared_from_this()] { self->on_awake(); });
  }

  std::size_t window() const noexcept { return window_.load(std::memory_order_relaxed); }

  ProviderHealth health() const {
    // One moment's: a request that is just leaving the queue is in one of the two numbers.
    const std::lock_guard lock(mutex_);
    ProviderHealth health{.connections = connections_.load(std::memory_order_relaxed),
                          .stream_slots = stream_slots_.load(std::memory_order_relaxed),
                          .in_flight = in_flight_.load(std::memory_order_relaxed),
                          .queued = queued_.load(std::memory_order_relaxed),
                          .last_error = last_error_};
    return health;
  }

  void close(std::chrono::milliseconds grace) {
    assert(!loop_.is_loop_thread());
    std::unique_lock lock(mutex_);
    if (!std::exchange(closing_, true)) {
      loop_.post([self = shared_from_this(), grace] { self->begin_close(grace); });
    }
    closed_changed_.wait(lock, [this] { return closed_; });
  }

  // --- http2::RequestSource

  std::size_t ready(Share share) const noexcept override {
    if (authorization_.header == nullptr) return 0;
    std::size_t count = 0;
    for (const Line& line : lines_) {
      if (takes(share, line.kind)) count += line.count;
    }
    return count;
  }

  bool waiting() const noexcept override { return waiting_count() > 0; }

  bool prepare(Stream& stream, Share share) override {
    while (ready(share) > 0) {
      Line& line = *std::ranges::find_if(lines_, [share](const Line& candidate) {
        return candidate.count > 0 && takes(share, candidate.kind);
      });
      Batch& batch = *line.batches.front();
      const std::size_t index = batch.next++;
      --line.count;
      const PushTarget& target = batch.push.targets[index];
      const std::string_view token = batch.push.token(target);
      const bool takes = dialect_->takes_token(token);
      if (takes) fill(stream, batch, index, token);
      if (batch.left() == 0) line.batches.pop_front();
      if (takes) return true;
      add_verdict(
          batch,
          {.tag = target.tag, .kind = VerdictKind::kTokenUnusable, .reason = "MalformedToken"});
      forget_if_done(batch);
    }
    return false;
  }

  void settle(Stream& stream) override {
    Batch& batch = *static_cast<Batch*>(stream.owner);
    const std::uint64_t tag = batch.push.targets[stream.item].tag;
    if (stream.ending == Ending::kAnswered && stream.status == 200 && !judges_success_) {
      add_verdict(batch, {.tag = tag, .kind = VerdictKind::kAccepted, .status = 200, .reason = {}});
    } else {
      settle_otherwise(stream, batch, tag);
    }
    --batch.open;
    forget_if_done(batch);
  }

  void on_turn_end() override {
    refresh_authorization();
    tell();
  }

  void on_tick(LoopTime now) override {
    refresh_authorization();
    for (Line& line : lines_) {
      while (!line.batches.empty() && now - line.batches.front()->queued_at >= queued_max_) {
        settle_first(line, VerdictKind::kNotSent, waiting_word());
      }
    }
    tell();
  }

 private:
  std::size_t waiting_count() const noexcept {
    std::size_t count = 0;
    for (const Line& line : lines_) count += line.count;
    return count;
  }

  void on_awake() {
    take_inbox();
    if (!stopped_) {
      refresh_authorization();
      pool_.pump();
    }
    tell();
  }

  void take_inbox() {
    std::vector<PushBatch> taken;
    {
      const std::lock_guard lock(mutex_);
      taken.swap(inbox_);
      awake_ = false;
    }
    const LoopTime now = pool_.now();
    for (PushBatch& push : taken) {
      auto batch = std::make_unique<Batch>();
      batch->push = std::move(push);
      batch->queued_at = now;
      batch->place = batches_.size();
      Line& line = lines_[static_cast<std::size_t>(line_of(batch->push))];
      line.count += batch->left();
      line.batches.push_back(batch.get());
      if (line.kind == LineKind::kUrgent) pool_.expect_urgent();
      batches_.push_back(std::move(batch));
    }
    if (stopped_) settle_all_queued(VerdictKind::kNotSent, "Closed");
  }

  void fill(Stream& stream, Batch& batch, std::size_t index, std::string_view token) {
    if (batch.heads.empty() || batch.heads.back()->authorization != authorization_.header) {
      batch.heads.push_back(make_head(batch));
    }
    Head& head = *batch.heads.back();
    const RenderedMessage& message = *batch.push.message;
    std::string_view body(message.body);
    if (token_has_body_) {
      const std::size_t space = token.find(' ');
      body = token.substr(space + 1);
      token = token.substr(0, space);
    }
    if (dialect_->path_has_token()) {
      stream.path.assign(dialect_->path()).append(token);
    }
    if (!dialect_->id_header().empty()) {
      write_uuid(batch.push.targets[index].id, stream.id_text);
    }
    if (message.token_at == std::string::npos) {
      stream.body = {body, {}, {}};
    } else {
      stream.body = {body.substr(0, message.token_at), token, body.substr(message.token_at)};
    }
    stream.head = &head.request;
    stream.owner = &batch;
    stream.item = static_cast<std::uint32_t>(index);
    stream.authorization = head.authorization.get();
    ++batch.open;
  }

  std::unique_ptr<Head> make_head(const Batch& batch) const {
    auto head = std::make_unique<Head>();
    head->authorization = authorization_.header;
    http2::RequestHead& request = head->request;
    request.first = {http2::header_of(":method", "POST"), http2::header_of(":scheme", "https"),
                     http2::header_of(":authority", authority_)};
    request.path_differs = dialect_->path_has_token();
    if (!request.path_differs) {
      request.first.push_back(http2::header_of(":path", dialect_->path()));
    }
    request.rest.reserve(1 + batch.push.message->headers.size());
    if (!head->authorization->empty()) {
      request.rest.push_back(http2::header_of("authorization", *head->authorization));
    }
    const bool index = batch.push.targets.size() >= kIndexFromTargets;
    for (const auto& [name, value] : batch.push.message->headers) {
      request.rest.push_back(
          http2::header_of(name, value, index ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX));
    }
    request.id_name = dialect_->id_header();
    return head;
  }

  void settle_otherwise(Stream& stream, const Batch& batch, std::uint64_t tag) {
    if (stream.ending != Ending::kAnswered) {
      return add_verdict(batch,
                         {.tag = tag,
                          .kind = stream.ending == Ending::kNotSent ? VerdictKind::kNotSent
                                                                    : VerdictKind::kUnanswered,
                          .reason = reason_of(stream.word)});
    }
    Judgement judgement = dialect_->judge({.status = stream.status,
                                           .body = stream.answer_body,
                                           .retry_after = stream.retry_after,
                                           .wns_status = stream.wns_status,
                                           .message = batch.push.message.get()},
                                          *stream.authorization, calendar_());
    judgement.verdict.tag = tag;
    add_verdict(batch, std::move(judgement.verdict));
    if (judgement.aftermath == Aftermath::kRetireConnection) pool_.retire(stream);
  }

  void add_verdict(const Batch& batch, Verdict verdict) {
    if (batch.push.told) {
      told_.emplace_back(batch.push.told, std::move(verdict));
      return;
    }
    verdicts_.push_back(std::move(verdict));
    if (verdicts_.size() >= kVerdictsPerCall) flush_verdicts();
  }

  // State first: who has a verdict finds in `health` why.
  void tell() {
    publish_state();
    flush_verdicts();
    for (const auto& [told, verdict] : std::exchange(told_, {})) told(verdict);
  }

  void flush_verdicts() {
    if (verdicts_.empty()) return;
    sink_.on_verdicts(verdicts_);
    verdicts_.clear();
  }

  void settle_first(Line& line, VerdictKind kind, std::string_view word) {
    Batch& batch = *line.batches.front();
    line.batches.pop_front();
    line.count -= batch.left();
    while (batch.left() > 0) {
      add_verdict(
          batch,
          {.tag = batch.push.targets[batch.next++].tag, .kind = kind, .reason = reason_of(word)});
    }
    forget_if_done(batch);
  }

  void settle_all_queued(VerdictKind kind, std::string_view word) {
    for (Line& line : lines_) {
      while (!line.batches.empty()) settle_first(line, kind, word);
    }
  }

  void forget_if_done(Batch& batch) {
    if (batch.left() > 0 || batch.open > 0) return;
    const std::size_t place = batch.place;
    std::swap(batches_[place], batches_.back());
    batches_[place]->place = place;
    batches_.pop_back();
  }

  std::string_view waiting_word() const {
    if (authorization_.header == nullptr) return "NoCredential";
    return pool_.stats().connections == 0 ? "NoConnection" : "QueueTimeout";
  }

  void on_credential_changed() {
    if (stopped_) return;
    refresh_authorization();
    pool_.pump();
    tell();
  }

  void refresh_authorization() {
    if (!waiting() || stopped_) return;
    const auto now = calendar_();
    authorization_ = dialect_->authorization(now);
    if (authorization_.header != nullptr) {
      pool_.bring(authorization_.header, now, credential_kept_);
    }
    if (authorization_.header == nullptr && authorization_.refused) {
      settle_all_queued(VerdictKind::kCredentialRefused, authorization_.refusal);
    }
  }

  void publish_state() {
    const http2::PoolStats stats = pool_.stats();
    connections_.store(stats.connections, std::memory_order_relaxed);
    stream_slots_.store(stats.stream_slots, std::memory_order_relaxed);
    // As much again as is on the wire, so that a slot that becomes free finds the next request.
    window_.store(std::max(kWindowMin, 2 * stats.stream_slots), std::memory_order_relaxed);
    const std::string credential_error = dialect_->credential_error();
    const std::lock_guard lock(mutex_);
    in_flight_.store(stats.in_flight, std::memory_order_relaxed);
    std::size_t in_inbox = 0;
    for (const PushBatch& push : inbox_) in_inbox += push.targets.size();
    queued_.store(waiting_count() + in_inbox, std::memory_order_relaxed);
    if (pool_.last_error() != pool_error_) last_error_ = pool_error_ = pool_.last_error();
    if (credential_error != credential_error_) {
      credential_error_ = credential_error;
      if (!credential_error.empty()) last_error_ = credential_error;
    }
  }

  void begin_close(std::chrono::milliseconds grace) {
    take_inbox();
    stopped_ = true;
    settle_all_queued(VerdictKind::kNotSent, "Closed");
    flush_verdicts();
    pool_.close(grace, [self = shared_from_this()] {
      self->dialect_->close([self] { self->finish_close(); });
    });
  }

  void finish_close() {
    {
      const std::lock_guard lock(mutex_);
      refusing_ = true;
    }
    take_inbox();  // what was submitted since `begin_close`
    tell();
    const std::lock_guard lock(mutex_);
    closed_ = true;
    closed_changed_.notify_all();
  }

  EventLoop& loop_;
  const std::string authority_;
  const LoopTime queued_max_;
  const std::function<std::chrono::system_clock::time_point()> calendar_;
  const std::unique_ptr<PushDialect> dialect_;
  const bool token_has_body_;
  const bool judges_success_;
  const std::chrono::minutes credential_kept_;
  VerdictSink& sink_;

  // --- loop thread
  http2::Pool pool_;
  Authorization authorization_;
  std::vector<std::unique_ptr<Batch>> batches_;  // with a target that is not settled
  std::array<Line, 3> lines_{
      {{LineKind::kUrgent, {}, 0}, {LineKind::kUsual, {}, 0}, {LineKind::kDoubtful, {}, 0}}};
  std::vector<Verdict> verdicts_;
  std::vector<std::pair<std::function<void(const Verdict&)>, Verdict>> told_;
  bool stopped_ = false;
  std::string pool_error_;
  std::string credential_error_;

  // --- any thread
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> stream_slots_{0};
  std::atomic<std::size_t> in_flight_{0};
  std::atomic<std::size_t> queued_{0};
  std::atomic<std::size_t> window_{kWindowMin};

  mutable std::mutex mutex_;  // for what follows; the one place where threads meet
  std::condition_variable closed_changed_;
  std::vector<PushBatch> inbox_;
  bool awake_ = false;  // the loop is going to look into the inbox
  bool closing_ = false;
  bool refusing_ = false;  // the inbox has been emptied for the last time
  bool closed_ = false;
  std::string last_error_;
};

void ChannelLimits::find_problems(std::vector<std::string>& problems) const {
  if (connections_max == 0) problems.emplace_back("connections_max must be at least 1");
  if (streams_max == 0) problems.emplace_back("streams_max must be at least 1");
}

PushChannelConfig::PushChannelConfig(const ChannelLimits& limits, const http2::HttpsUrl& url,
                                     const http2::TlsContext& tls)
    : pool{.url = url,
           .tls = tls,
           .connections_max = limits.connections_max,
           .streams_max = limits.streams_max,
           .connect_max = limits.connect_max,
           .request_max = limits.request_timeout,
           .stuck_after = limits.stuck_after,
           .idle_after = limits.idle_after,
           .ping_max = limits.ping_max,
           .seed = std::random_device{}(),
           .resolve = limits.resolve},
      queued_max(limits.queued_max),
      calendar(limits.calendar ? limits.calendar : &std::chrono::system_clock::now) {}

PushChannel::PushChannel(EventLoop& loop, PushChannelConfig config,
                         std::unique_ptr<PushDialect> dialect, VerdictSink& sink)
    : impl_(std::make_shared<Impl>(loop, std::move(config), std::move(dialect), sink)) {
  impl_->start();
}

PushChannel::~PushChannel() {
  close(std::chrono::milliseconds(0));
}

void PushChannel::submit(PushBatch batch) {
  impl_->submit(std::move(batch));
}
std::size_t PushChannel::window() const noexcept {
  return impl_->window();
}
ProviderHealth PushChannel::health() const {
  return impl_->health();
}
void PushChannel::close(std::chrono::milliseconds grace) {
  impl_->close(grace);
}

}  // namespace carillon::push
