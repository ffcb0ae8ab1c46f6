// One app's way to one platform while credentials come and go: the provider in use, and those
// before it whose last requests are still on their way.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "providers/provider.h"

namespace carillon::fanout {

// Whether an answer is about the credential that a request was sent with: about none other, then.
inline bool is_about_credential(const push::Verdict& verdict) {
  return verdict.kind == push::VerdictKind::kCredentialRefused ||
         (verdict.kind == push::VerdictKind::kThrottled &&
          verdict.scope == push::ThrottleScope::kCredential);
}

// Where a provider's verdicts go on from. One for each provider; outlives it.
class ProviderSeat final : public push::VerdictSink {
 public:
  explicit ProviderSeat(push::VerdictSink& onward) : onward_(onward) {}

  void on_verdicts(std::span<const push::Verdict> verdicts) noexcept override;

  // Another provider has taken over: what a platform still says against this one's credential is
  // about that alone, so it is told as kNotSent, for the next one to send.
  void vacate() { vacated_.store(true, std::memory_order_relaxed); }

 private:
  push::VerdictSink& onward_;
  std::atomic<bool> vacated_{false};
};

// Thread-safe, with one lock for each call, thus for each batch: it guards a pointer and no work.
//
// A batch goes to the provider that is in use at that moment and is settled by it. One that was
// replaced gets no more, and is closed when it has nothing queued and nothing on the wire, so no
// target is cut off for the change: none is lost, none is sent twice.
class ProviderSuccession final : public push::Provider {
 public:
  ProviderSuccession(std::unique_ptr<push::Provider> first, std::shared_ptr<ProviderSeat> seat);
  ~ProviderSuccession() override;

  // From the next batch on `next` is used. It reports to `seat`.
  void succeed(std::unique_ptr<push::Provider> next, std::shared_ptr<ProviderSeat> seat);

  // Closes those that were replaced and are done, some milliseconds each; how many are not. A
  // provider settles all it has within its own timeouts. Not on a provider's thread.
  std::size_t close_finished();

  push::Platform platform() const noexcept override { return platform_; }
  tl::expected<push::RenderedMessage, push::RenderError> render(
      const push::Notification& notification,
      std::chrono::system_clock::time_point now) const override {
    return current()->render(notification, now);
  }
  void submit(push::PushBatch batch) override { current()->submit(std::move(batch)); }
  void probe(push::HearWord hear) override { current()->probe(std::move(hear)); }
  void validate(std::shared_ptr<const push::RenderedMessage> message, std::string_view token,
                push::HearWord hear) override {
    current()->validate(std::move(message), token, std::move(hear));
  }
  void ask_channel(push::ChannelRequest request, push::HearChannel hear) override {
    current()->ask_channel(std::move(request), std::move(hear));
  }
  std::size_t window() const noexcept override { return current()->window(); }
  // Of the one in use; what is queued and on the wire, of all.
  push::ProviderHealth health() const override;
  // All of them, with one deadline.
  void close(std::chrono::milliseconds grace) override;

 private:
  struct Tenure {
    std::shared_ptr<ProviderSeat> seat;  // outlives the provider
    std::shared_ptr<push::Provider> provider;
    bool seemed_done = false;  // when it was looked at last
  };

  std::shared_ptr<push::Provider> current() const {
    const std::lock_guard lock(mutex_);
    return current_.provider;
  }
  static bool is_done(const Tenure& tenure);

  const push::Platform platform_;
  mutable std::mutex mutex_;
  Tenure current_;
  std::vector<Tenure> leaving_;
};

}  // namespace carillon::fanout
