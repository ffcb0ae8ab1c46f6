// What of a job is handed out next, and what of it nobody is to get.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "relay/fanout/dispatcher_state.h"
#include "relay/fanout/event_id.h"
#include "storage/event_report.h"

namespace carillon::fanout {

std::size_t Dispatcher::hand_out(RunningJob& job, std::size_t devices_max, Now now) {
  if (devices_max == 0 || job.halted()) return 0;
  if (job.fate || job.closing || now.monotonic_ms < job.blocked_until_ms) return 0;
  render(job, now);
  if (job.fate) return 0;
  if (job.next_due_ms <= now.waits_ms()) {
    if (const std::size_t handed = hand_out_retries(job, devices_max, now); handed > 0) {
      return handed;
    }
  }
  if (job.ledger.span() >= span_max() || job.retries_live >= limits_.retries_per_job_max) return 0;
  return hand_out_scanned(job, devices_max, now);
}

void Dispatcher::render(RunningJob& job, Now now) {
  if (job.message && now.calendar_ms - job.rendered_ms < kRenderedForMs &&
      now.calendar_ms >= job.rendered_ms) {
    return;
  }
  auto rendered = job.lane.provider->render(
      job.notification,
      std::chrono::system_clock::time_point(std::chrono::milliseconds(now.calendar_ms)));
  if (!rendered) {
    // It was rendered when the event was accepted, so the configuration has changed since.
    spdlog::error("event {}: cannot be rendered any more: {}", to_string(job.key.event),
                  rendered.error().message);
    job.fate = Fate{.kind = Fate::Kind::kRejected, .reason = "NotRenderable"};
    hungry_ = true;
    return;
  }
  job.message = std::make_shared<const push::RenderedMessage>(std::move(*rendered));
  job.rendered_ms = now.calendar_ms;
  job.worded.clear();
}

std::size_t Dispatcher::hand_out_retries(RunningJob& job, std::size_t devices_max, Now now) {
  std::vector<store::DevicePosition> held;
  held.reserve(job.held.size());
  for (const auto& [position, frees_at] : job.held) held.push_back(position);
  auto found =
      store_.due_retries(job.key, now.waits_ms(), std::min(devices_max, kRetriesPerRead), held);
  if (!found) {
    block(job, found.error(), now);
    return 0;
  }
  for (const store::DueRetry& due : found->due) {
    if (!load_language(job, due.locale, now)) return 0;
  }
  job.next_due_ms = found->next_due_ms == 0 ? kNever : found->next_due_ms;

  std::vector<push::PushBatch> batches(job.languages());
  for (store::DueRetry& due : found->due) {
    const store::DevicePosition position = due.retry.position;
    if (due.token.empty()) {
      settle_unsent(job, {.position = position, .is_retry = true},
                    {.kind = Fate::Kind::kSuppressed, .reason = std::string(kLeftAudience)}, now);
      continue;
    }
    const std::uint64_t number = kRetryBit | (job.next_retry_number++ & kNumberMask);
    job.open_retries.emplace(number, OpenRetry{.position = position,
                                               .attempts = due.retry.attempts,
                                               .read_ms = now.calendar_ms});
    job.held[position] = kOpen;
    push::PushBatch& batch = batches[job.language(due.locale)];
    batch.targets.push_back({.tag = make_tag(job.index, number),
                             .id = push_identity(job.key.event, position),
                             .token_offset = static_cast<std::uint32_t>(batch.tokens.size()),
                             .token_length = static_cast<std::uint32_t>(due.token.size())});
    batch.tokens += due.token;
  }
  return submit_by_language(job, std::move(batches), now);
}

// Makes the next page with devices the current one. False: there is none now.
bool Dispatcher::next_page(RunningJob& job, std::size_t devices, Now now) {
  if (!job.scan) {
    auto scan = store_.scan(job.key);
    if (!scan) {
      block(job, scan.error(), now);
      return false;
    }
    job.scan = std::move(*scan);
  }
  for (int pages = 0; pages < kEmptyPagesPerTurn; ++pages) {
    if (job.exhausted) return false;
    job.page_read_ms = now.calendar_ms;
    job.page_after = job.read_after;
    if (auto read = job.scan->read(job.read_after, devices, job.page); !read) {
      job.page.devices.clear();
      job.page_next = 0;
      block(job, read.error(), now);
      return false;
    }
    job.read_after = job.page.through;
    job.page_next = 0;
    if (!job.page.devices.empty()) return true;
    page_done(job);
  }
  hungry_ = true;
  return false;
}

void Dispatcher::page_done(RunningJob& job) {
  job.ledger.read_through(job.page.through);
  if (!job.page.end) return;
  job.exhausted = true;
  job.scan.reset();
}

std::size_t Dispatcher::hand_out_scanned(RunningJob& job, std::size_t devices_max, Now now) {
  store::DevicePage& page = job.page;
  if (job.page_next == page.devices.size() && !next_page(job, devices_max, now)) return 0;

  const std::size_t count = std::min(devices_max, page.devices.size() - job.page_next);
  if (job.localization) return hand_out_localized(job, count, now);
  const bool whole = job.page_next == 0 && count == page.devices.size();
  const auto read_ms =
      static_cast<std::uint32_t>(std::max<std::int64_t>(0, job.page_read_ms - job.taken_up_ms));
  push::PushBatch batch{.message = job.message};
  batch.targets.reserve(count);
  for (std::size_t i = job.page_next; i < job.page_next + count; ++i) {
    const store::DevicePage::Entry& device = page.devices[i];
    const std::uint64_t sequence = job.ledger.next_sequence();
    if (!job.ledger.append(device.position, read_ms)) continue;
    std::uint32_t token_offset = device.token_offset;
    if (!whole) {
      token_offset = static_cast<std::uint32_t>(batch.tokens.size());
      batch.tokens.append(page.tokens, device.token_offset, device.token_length);
    }
    batch.targets.push_back({.tag = make_tag(job.index, sequence & kNumberMask),
                             .id = push_identity(job.key.event, device.position),
                             .token_offset = token_offset,
                             .token_length = device.token_length});
  }
  // The usual page goes out whole, and takes its tokens along instead of having them copied.
  if (whole) batch.tokens.swap(page.tokens);
  job.page_next += count;
  if (job.page_next == page.devices.size()) page_done(job);
  const std::size_t handed = batch.targets.size();
  submit(job, std::move(batch));
  if (handed == 0) hungry_ = true;  // all of it was settled before a restart: go on
  return handed;
}

void Dispatcher::submit(RunningJob& job, push::PushBatch batch) {
  const std::size_t count = batch.targets.size();
  if (count == 0) return;
  uncovered_ += count;
  outstanding_ += count;
  job.lane.outstanding += count;
  job.lane.totals->submitted.fetch_add(count, std::memory_order_relaxed);
  batch.urgent = priority_class(job.priority) == kUrgent;
  batch.doubtful = goes_apart(job);
  job.lane.provider->submit(std::move(batch));
}

// --- what nobody is to get
// ------------------------------------------------------------------------

void Dispatcher::decide_fate(RunningJob& job, Now now) {
  if (job.fate || job.cancelling) return;
  if (job.lane.provider == nullptr) {
    job.fate = Fate{.kind = Fate::Kind::kSuppressed, .reason = std::string(store::kNoProvider)};
  } else if (now.waits_ms() >= job.expires_ms) {
    job.fate = Fate{.kind = Fate::Kind::kExpired, .reason = "Expired"};
  }
}

// The devices are still read one by one: who has left the audience is told apart from who was too
// late for it.
void Dispatcher::settle_by_fate(RunningJob& job, Now now) {
  if (job.closing || job.cancelling || now.monotonic_ms < job.blocked_until_ms) return;
  for (int pages = 0; pages < kFatePagesPerTurn; ++pages) {
    if (job.unrecorded.failures.size() >= kFateRowsPerCheckpoint) return;
    if (job.ledger.span() >= span_max()) return;  // an open device holds the cursor: park it first
    if (job.page_next == job.page.devices.size() && !next_page(job, kFatePageDevices, now)) break;
    for (; job.page_next < job.page.devices.size(); ++job.page_next) {
      const store::DevicePosition position = job.page.devices[job.page_next].position;
      const std::uint64_t sequence = job.ledger.next_sequence();
      if (!job.ledger.append(position, 0)) continue;
      job.ledger.settle(sequence);
      settle_unsent(job, {.position = position}, *job.fate, now);
    }
    page_done(job);
    hungry_ = true;
  }
  if (job.retries_live == 0) return;
  std::vector<store::DevicePosition> held;
  for (const auto& [position, frees_at] : job.held) held.push_back(position);
  auto found = store_.due_retries(job.key, kNever, kRetriesPerRead, held);
  if (!found) {
    block(job, found.error(), now);
    return;
  }
  for (const store::DueRetry& due : found->due) {
    settle_unsent(
        job, {.position = due.retry.position, .attempts = due.retry.attempts, .is_retry = true},
        *job.fate, now);
  }
}

void Dispatcher::settle_unsent(RunningJob& job, const Delivery& delivery, const Fate& fate,
                               Now now) {
  LaneTotals& totals = *job.lane.totals;
  switch (fate.kind) {
    case Fate::Kind::kExpired:
      ++job.unrecorded.added.expired;
      totals.expired.fetch_add(1, std::memory_order_relaxed);
      break;
    case Fate::Kind::kRejected:
      ++job.unrecorded.added.rejected;
      totals.rejected.fetch_add(1, std::memory_order_relaxed);
      break;
    case Fate::Kind::kSuppressed:
      ++job.unrecorded.added.suppressed;
      totals.suppressed.fetch_add(1, std::memory_order_relaxed);
      break;
  }
  count_reason(job.unrecorded.reasons, fate.reason);
  if (fate.kind != Fate::Kind::kSuppressed && job.failure_rows < kFailureRowsPerJobMax) {
    ++job.failure_rows;
    job.unrecorded.failures.push_back({.position = delivery.position,
                                       .outcome = fate.kind == Fate::Kind::kExpired
                                                      ? store::Failure::Outcome::kExpired
                                                      : store::Failure::Outcome::kRejected,
                                       .reason = fate.reason,
                                       .attempts = delivery.attempts,
                                       .at_ms = now.calendar_ms});
  }
  if (!delivery.is_retry) return;
  job.unrecorded.retries_done.push_back(delivery.position);
  job.held[delivery.position] = building_;
  --job.retries_live;
}

void Dispatcher::block(RunningJob& job, const store::Error& error, Now now) {
  store_error_ = error.message;
  spdlog::error("event {}: reading the store failed, trying again: {}", to_string(job.key.event),
                error.message);
  job.blocked_until_ms = now.monotonic_ms + kStoreRetryMs;
}

}  // namespace carillon::fanout
