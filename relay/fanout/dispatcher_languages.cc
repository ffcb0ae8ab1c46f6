// An event in several languages: each device gets the message of its own. A page knows a device's
// locale by a number, so a text is looked at once for each locale and job, never per device, and an
// event in one language does none of this.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "relay/fanout/dispatcher_state.h"
#include "relay/fanout/event_id.h"

namespace carillon::fanout {

// False: the store cannot tell now, and the job is blocked.
bool Dispatcher::load_language(RunningJob& job, std::uint16_t locale, Now now) {
  if (!job.localization) return true;
  if (locale < job.language_of.size() && job.language_of[locale] != kUnknownLanguage) return true;
  if (!job.scan) {  // read to the end, and a retry is due
    auto scan = store_.scan(job.key);
    if (!scan) {
      block(job, scan.error(), now);
      return false;
    }
    job.scan = std::move(*scan);
  }
  const auto text = job.scan->locale(locale);
  if (!text) {
    block(job, text.error(), now);
    return false;
  }
  if (locale >= job.language_of.size()) job.language_of.resize(locale + 1u, kUnknownLanguage);
  const auto wording = job.localization->find(*text);
  job.language_of[locale] = wording ? static_cast<std::uint8_t>(1 + *wording) : 0;
  return true;
}

// What `job.page` has next, `count` devices of it.
std::size_t Dispatcher::hand_out_localized(RunningJob& job, std::size_t count, Now now) {
  const store::DevicePage& page = job.page;
  for (std::size_t i = job.page_next; i < job.page_next + count; ++i) {
    if (!load_language(job, page.devices[i].locale, now)) return 0;
  }
  const auto read_ms =
      static_cast<std::uint32_t>(std::max<std::int64_t>(0, job.page_read_ms - job.taken_up_ms));
  std::vector<push::PushBatch> batches(job.languages());
  for (std::size_t i = job.page_next; i < job.page_next + count; ++i) {
    const store::DevicePage::Entry& device = page.devices[i];
    const std::uint64_t sequence = job.ledger.next_sequence();
    if (!job.ledger.append(device.position, read_ms)) continue;
    push::PushBatch& batch = batches[job.language(device.locale)];
    batch.targets.push_back({.tag = make_tag(job.index, sequence & kNumberMask),
                             .id = push_identity(job.key.event, device.position),
                             .token_offset = static_cast<std::uint32_t>(batch.tokens.size()),
                             .token_length = device.token_length});
    batch.tokens.append(page.tokens, device.token_offset, device.token_length);
  }
  job.page_next += count;
  if (job.page_next == page.devices.size()) page_done(job);
  const std::size_t handed = submit_by_language(job, std::move(batches), now);
  if (handed == 0) hungry_ = true;  // all of it was settled before a restart: go on
  return handed;
}

std::size_t Dispatcher::submit_by_language(RunningJob& job, std::vector<push::PushBatch> batches,
                                           Now now) {
  std::size_t handed = 0;
  for (std::size_t language = 0; language < batches.size(); ++language) {
    push::PushBatch& batch = batches[language];
    if (batch.targets.empty()) continue;
    handed += batch.targets.size();
    batch.message = message_in(job, language, now);
    submit(job, std::move(batch));
  }
  return handed;
}

// After `render`, of the same moment.
std::shared_ptr<const push::RenderedMessage> Dispatcher::message_in(RunningJob& job,
                                                                    std::size_t language, Now now) {
  if (language == 0) return job.message;
  const auto& wordings = job.localization->wordings();
  job.worded.resize(wordings.size());
  auto& message = job.worded[language - 1];
  if (message) return message;
  auto rendered = job.lane.provider->render(
      in_words(job.notification, wordings[language - 1]),
      std::chrono::system_clock::time_point(std::chrono::milliseconds(now.calendar_ms)));
  if (rendered) {
    message = std::make_shared<const push::RenderedMessage>(std::move(*rendered));
  } else {
    // It was rendered when the event was accepted, so the configuration has changed since.
    spdlog::error("event {}: cannot be rendered any more in '{}', the default goes out: {}",
                  to_string(job.key.event), wordings[language - 1].locale,
                  rendered.error().message);
    message = job.message;
  }
  return message;
}

}  // namespace carillon::fanout
