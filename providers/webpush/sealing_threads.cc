#include "providers/webpush/sealing_threads.h"

#include <pthread.h>

#include <algorithm>
#include <future>
#include <string>
#include <string_view>
#include <utility>

#include "providers/thread_slice.h"

namespace carillon::push {
namespace {

// Encrypted at once by one thread, some 1.5 ms: little enough for an urgent batch to wait for, and
// for all threads to have a part of one; enough that locks and hops to the loop are cheap.
constexpr std::size_t kSliceTargets = 32;
// A body and a path, roughly.
constexpr std::size_t kTokenBytesGuess = 768;

// What goes to one push service.
struct Parcel {
  std::string_view origin;
  std::shared_ptr<PushChannel> channel;  // null: nothing can go there
  Verdict verdict;                       // then
  PushBatch batch;
};

Verdict verdict_of(OriginFault fault) {
  switch (fault) {
    case OriginFault::kRefused:
      // Our list's word, not a push service's: nothing against the subscription.
      return {.kind = VerdictKind::kNotificationRefused, .reason = "OriginRefused"};
    case OriginFault::kTooMany:
      return {.kind = VerdictKind::kNotSent, .reason = "TooManyOrigins"};
    case OriginFault::kFull:
      return {.kind = VerdictKind::kNotSent, .reason = "QueueFull"};
  }
  return {.kind = VerdictKind::kNotSent, .reason = "TooManyOrigins"};
}

Parcel& parcel_to(std::string_view origin, const PushBatch& from, std::size_t targets,
                  OriginChannels& channels, std::vector<Parcel>& parcels) {
  const auto known = std::ranges::find(parcels, origin, &Parcel::origin);
  if (known != parcels.end()) return *known;
  Parcel parcel{.origin = origin, .channel = nullptr, .verdict = {}, .batch = {}};
  auto channel = channels.take(origin, std::chrono::steady_clock::now());
  if (channel) {
    parcel.channel = std::move(*channel);
  } else {
    parcel.verdict = verdict_of(channel.error());
  }
  parcel.batch.message = from.message;
  parcel.batch.urgent = from.urgent;
  parcel.batch.tokens.reserve(targets * kTokenBytesGuess);
  return parcels.emplace_back(std::move(parcel));
}

// The token of WebPushDialect: path, space, body. False: no message can be encrypted for it.
bool add_sealed(const Subscription& subscription, const PushTarget& target,
                std::string_view plaintext, MessageCipher& cipher, PushBatch& to) {
  const std::size_t start = to.tokens.size();
  to.tokens.append(subscription.path).push_back(' ');
  if (!cipher.seal(subscription.keys, plaintext, to.tokens)) {
    to.tokens.resize(start);
    return false;
  }
  PushTarget sealed = target;
  sealed.token_offset = static_cast<std::uint32_t>(start);
  sealed.token_length = static_cast<std::uint32_t>(to.tokens.size() - start);
  to.targets.push_back(sealed);
  return true;
}

}  // namespace

SealingThreads::SealingThreads(std::size_t threads, std::chrono::milliseconds sweep_every,
                               OriginChannels& channels, VerdictSink& sink, EventLoop& loop)
    : sweep_every_(sweep_every), channels_(channels), sink_(sink), loop_(loop) {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, sweeps = i == 0] {
      pthread_setname_np(pthread_self(), "webpush-sealing");
      run(sweeps);
    });
  }
}

SealingThreads::~SealingThreads() {
  stop();
}

std::size_t SealingThreads::window() const noexcept {
  return 2 * kSliceTargets * threads_.size();
}

void SealingThreads::submit(PushBatch batch) {
  if (batch.targets.empty()) return;
  const std::size_t count = batch.targets.size();
  const bool urgent = batch.urgent;
  auto shared = std::make_shared<const PushBatch>(std::move(batch));
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queued_.fetch_add(count, std::memory_order_relaxed);
    (urgent ? urgent_ : others_).push_back({.batch = std::move(shared)});
  }
  if (count > kSliceTargets) {
    work_.notify_all();
  } else {
    work_.notify_one();
  }
}

void SealingThreads::run(bool sweeps) {
  take_turns_of(kBusyThreadSlice);
  MessageCipher cipher;
  auto sweep_at = std::chrono::steady_clock::now() + sweep_every_;
  std::unique_lock lock(mutex_);
  const auto something = [this] { return stopping_ || !urgent_.empty() || !others_.empty(); };
  for (;;) {
    if (sweeps) {
      work_.wait_until(lock, sweep_at, something);
    } else {
      work_.wait(lock, something);
    }
    if (stopping_) return;
    Slice slice;
    if (!urgent_.empty() || !others_.empty()) slice = take_slice();
    lock.unlock();
    if (slice.batch != nullptr) seal(slice, cipher);
    if (const auto now = std::chrono::steady_clock::now(); sweeps && now >= sweep_at) {
      sweep_at = now + sweep_every_;
      channels_.close_idle(now);
    }
    lock.lock();
  }
}

SealingThreads::Slice SealingThreads::take_slice() {
  auto& queue = urgent_.empty() ? others_ : urgent_;
  Waiting& waiting = queue.front();
  const std::span<const PushTarget> left = std::span(waiting.batch->targets).subspan(waiting.next);
  Slice slice{.batch = waiting.batch, .targets = left.first(std::min(left.size(), kSliceTargets))};
  waiting.next += slice.targets.size();
  if (waiting.next == waiting.batch->targets.size()) queue.pop_front();
  return slice;
}

void SealingThreads::seal(const Slice& slice, MessageCipher& cipher) {
  std::vector<Parcel> parcels;
  std::vector<Verdict> verdicts;
  const auto settle = [&verdicts](const PushTarget& target, Verdict verdict) {
    verdict.tag = target.tag;
    verdicts.push_back(std::move(verdict));
  };
  const Verdict malformed{.kind = VerdictKind::kTokenUnusable, .reason = "MalformedToken"};
  for (const PushTarget& target : slice.targets) {
    const auto subscription = read_subscription(slice.batch->token(target));
    if (!subscription) {
      settle(target, malformed);
      continue;
    }
    Parcel& parcel =
        parcel_to(subscription->origin, *slice.batch, slice.targets.size(), channels_, parcels);
    if (parcel.channel == nullptr) {
      settle(target, parcel.verdict);
    } else if (!add_sealed(*subscription, target, slice.batch->message->body, cipher,
                           parcel.batch)) {
      settle(target, malformed);
    }
  }
  for (Parcel& parcel : parcels) {
    if (parcel.channel != nullptr) parcel.channel->submit(std::move(parcel.batch));
  }
  queued_.fetch_sub(slice.targets.size(), std::memory_order_relaxed);
  tell(std::move(verdicts));
}

// On the loop's thread, as all verdicts are.
void SealingThreads::tell(std::vector<Verdict> verdicts) {
  if (verdicts.empty()) return;
  loop_.post([&sink = sink_, told = std::move(verdicts)] { sink.on_verdicts(told); });
}

void SealingThreads::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  std::vector<Verdict> verdicts;
  for (auto* queue : {&urgent_, &others_}) {
    for (const Waiting& waiting : *queue) {
      for (const PushTarget& target : std::span(waiting.batch->targets).subspan(waiting.next)) {
        verdicts.push_back({.tag = target.tag, .kind = VerdictKind::kNotSent, .reason = "Closed"});
      }
    }
    queue->clear();
  }
  queued_.fetch_sub(verdicts.size(), std::memory_order_relaxed);
  tell(std::move(verdicts));
  std::promise<void> told;
  loop_.post([&told] { told.set_value(); });
  told.get_future().wait();
}

}  // namespace carillon::push
