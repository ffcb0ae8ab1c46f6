#include "relay/cli/watch_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <thread>
#include <utility>

#include "relay/cli/event_progress.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/progress_bar.h"
#include "relay/cli/sse_reader.h"

namespace carillon::cli {
namespace {

using Clock = std::chrono::steady_clock;

class Watch {
 public:
  Watch(Terminal& terminal, ApiClient& api, const WatchOptions& options)
      : terminal_(terminal),
        api_(api),
        options_(options),
        path_("/v1/events/" + options.event),
        bar_(terminal.out, {.terminal = terminal.out_is_terminal,
                            .colour = terminal.colour,
                            .columns = terminal.columns}) {}

  int run() {
    Clock::time_point heard_at = Clock::now();
    std::chrono::milliseconds wait = options_.retry_first;
    for (;;) {
      heard_ = false;
      follow();
      if (!ended() && !refused_) ask();
      if (refused_) return fail(*refused_);
      if (ended()) return finish();
      if (heard_) {
        heard_at = Clock::now();
        wait = options_.retry_first;
      }
      if (Clock::now() - heard_at >= options_.give_up_after) return fail(lost_);
      pause(wait);
      wait = std::min(wait * 2, options_.retry_max);
    }
  }

 private:
  bool ended() const { return event_ && event_->ended(); }

  // The stream, until its end or until it is lost.
  void follow() {
    SseReader reader([this](std::string_view name, std::string_view data) {
      if (name == "progress" || (name == "end" && !data.empty())) note(data);
      if (name == "end") stream_ended_ = true;
    });
    stream_ended_ = false;
    const auto answer = api_.stream(path_ + "/progress", [&](std::string_view bytes) {
      return reader.feed(bytes) && !stream_ended_ && !ended();
    });
    judge(answer);
  }

  // The same document by itself: what a lost stream has left out.
  void ask() {
    const auto answer = api_.get(path_);
    judge(answer);
    if (answer && answer->ok()) note(answer->body);
  }

  // A 5xx or a 429 is a relay that starts, stops or has much to do: worth another attempt. Another
  // refusal will not change.
  void judge(const tl::expected<ApiClient::Answer, std::string>& answer) {
    if (!answer) {
      lost_ = answer.error();
    } else if (answer->status >= 500 || answer->status == 429) {
      lost_ = problem_text(*answer);
    } else if (!answer->ok()) {
      refused_ = problem_text(*answer);
    }
  }

  void note(std::string_view document) {
    auto event = parse_event_progress(document);
    if (!event) {
      lost_ = event.error();
      return;
    }
    heard_ = true;
    event_ = std::move(*event);
    if (options_.json) {
      // Parsed above: it is JSON; dumped again so that it is one line.
      terminal_.out << nlohmann::json::parse(document).dump() + '\n' << std::flush;
    } else {
      bar_.show(progress_of(*event_));
    }
  }

  int finish() {
    bar_.clear();
    if (!options_.json) terminal_.out << summary_of(*event_) << std::flush;
    return event_->state == "completed" ? kExitOk : kExitFailure;
  }

  int fail(const std::string& sentence) {
    bar_.clear();
    terminal_.err << fmt::format("carillon: {}\n", sentence);
    return kExitFailure;
  }

  void pause(std::chrono::milliseconds duration) const {
    if (options_.pause) {
      options_.pause(duration);
    } else {
      std::this_thread::sleep_for(duration);
    }
  }

  Terminal& terminal_;
  ApiClient& api_;
  const WatchOptions& options_;
  const std::string path_;
  ProgressBar bar_;
  std::optional<EventProgress> event_;  // the latest that was heard
  std::optional<std::string> refused_;  // an answer that ends it
  std::string lost_;                    // why the latest attempt brought nothing
  bool heard_ = false;                  // a document came in this round
  bool stream_ended_ = false;
};

}  // namespace

int run_watch(Terminal& terminal, ApiClient& api, const WatchOptions& options) {
  if (!is_event_id(options.event)) {
    terminal.err << fmt::format(
        "carillon: \"{}\" is not an event's id: it is what `carillon publish` prints\n",
        options.event);
    return kExitUsage;
  }
  return Watch(terminal, api, options).run();
}

}  // namespace carillon::cli
