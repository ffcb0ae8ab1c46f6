// The threads that encrypt: batches of subscriptions in, a batch of encrypted messages for each
// push service out.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "providers/http2/event_loop.h"
#include "providers/provider.h"
#include "providers/webpush/message_cipher.h"
#include "providers/webpush/origin_channels.h"

namespace carillon::push {

// Encrypting is 50 µs of a processor for each device, 20 times what all else about it takes: on the
// loop's thread it would keep answers and other platforms waiting. A lock for each slice of a
// batch, none for a device.
class SealingThreads {
 public:
  // `channels`, `sink` and `loop` outlive it. The first thread closes idle channels, every
  // `sweep_every`.
  SealingThreads(std::size_t threads, std::chrono::milliseconds sweep_every,
                 OriginChannels& channels, VerdictSink& sink, EventLoop& loop);
  ~SealingThreads();
  SealingThreads(const SealingThreads&) = delete;
  SealingThreads& operator=(const SealingThreads&) = delete;

  // Any thread. After `stop` nothing is taken.
  void submit(PushBatch batch);

  // Targets that were submitted and are not yet in a channel.
  std::size_t queued() const noexcept { return queued_.load(std::memory_order_relaxed); }
  // How many of them keep the threads busy while more is asked for.
  std::size_t window() const noexcept;

  // What is not yet encrypted is kNotSent; returns when its verdicts have been told. Idempotent;
  // one thread at a time, not the loop's.
  void stop();

 private:
  struct Waiting {
    std::shared_ptr<const PushBatch> batch;
    std::size_t next = 0;  // the first target that nobody has taken
  };
  struct Slice {
    std::shared_ptr<const PushBatch> batch;
    std::span<const PushTarget> targets;
  };

  void run(bool sweeps);
  // Under the lock; something is waiting.
  Slice take_slice();
  void seal(const Slice& slice, MessageCipher& cipher);
  void tell(std::vector<Verdict> verdicts);

  const std::chrono::milliseconds sweep_every_;
  OriginChannels& channels_;
  VerdictSink& sink_;
  EventLoop& loop_;

  std::mutex mutex_;  // for what follows
  std::condition_variable work_;
  std::deque<Waiting> urgent_, others_;
  bool stopping_ = false;

  std::atomic<std::size_t> queued_{0};
  std::vector<std::thread> threads_;
};

}  // namespace carillon::push
