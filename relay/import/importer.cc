#include "relay/import/importer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <future>
#include <optional>
#include <utility>

#include "relay/import/registration_batch.h"
#include "relay/import/registration_csv.h"
#include "relay/import/registration_line.h"

namespace carillon::import {
namespace {

using Outcomes = store::Result<std::vector<store::Result<store::Registered>>>;

bool blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == line.npos;
}

}  // namespace

class Importer::Impl {
 public:
  Impl(store::Store* store, store::BulkLoad* load, Options options)
      : store_(store),
        load_(load),
        options_(std::move(options)),
        json_({.app = options_.app,
               .known_apps = options_.known_apps,
               .push_origins = options_.push_origins}),
        csv_({.app = options_.app,
              .known_apps = options_.known_apps,
              .push_origins = options_.push_origins}),
        line_(kLineBytesMax + RegistrationLine::kPaddingBytes) {
    for (RegistrationBatch& batch : batches_) batch.reserve(options_.batch_lines);
    report_.next_line = options_.first_line;
    look_at_the_clock();
  }

  store::Result<void> feed(std::string_view bytes) {
    while (!bytes.empty() && !error_) {
      const std::size_t newline = bytes.find('\n');
      append(bytes.substr(0, newline));
      if (newline == bytes.npos) break;
      end_line();
      bytes.remove_prefix(newline + 1);
      if (filling().lines() >= options_.batch_lines || filling().bytes() >= kBatchBytesMax) {
        hand_over();
      }
    }
    return outcome();
  }

  store::Result<ImportReport> finish(End end) {
    if (!error_) {
      const bool unended = line_used_ > 0 || line_too_long_;
      if (unended && end == End::kComplete) end_line();
    }
    if (!error_) {
      hand_over();
      settle();
    }
    if (load_ && !error_) finish_load();
    if (error_) return tl::unexpected(*error_);
    return std::move(report_);
  }

  const ImportReport& so_far() const { return report_; }

 private:
  RegistrationBatch& filling() { return batches_[filling_]; }
  RegistrationBatch& written() { return batches_[1 - filling_]; }

  store::Result<void> outcome() const {
    if (error_) return tl::unexpected(*error_);
    return {};
  }

  // Once a batch.
  void look_at_the_clock() {
    if (!options_.now_ms) return;
    const std::int64_t now_ms = options_.now_ms();
    json_.set_now(now_ms);
    csv_.set_now(now_ms);
  }

  void append(std::string_view part) {
    if (line_too_long_) return;
    if (line_used_ + part.size() > kLineBytesMax) {
      line_too_long_ = true;
      return;
    }
    if (part.empty()) return;
    std::memcpy(line_.data() + line_used_, part.data(), part.size());
    line_used_ += part.size();
  }

  void end_line() {
    const std::string_view line(line_.data(), line_used_);
    ++number_;
    const bool awaits_header = options_.format == Format::kCsv && !has_header_;
    if (awaits_header && !blank(line)) {
      read_header(line);
    } else if (number_ >= options_.first_line && !awaits_header) {
      take_line(line);
    }
    line_used_ = 0;
    line_too_long_ = false;
  }

  void read_header(std::string_view line) {
    const std::string fault = line_too_long_ ? too_long("header") : csv_.read_header(line);
    has_header_ = true;
    if (fault.empty()) return;
    error_ = store::Error{.kind = store::Error::Kind::kInvalid,
                          .message = fmt::format("line {}: {}", number_, fault)};
  }

  void take_line(std::string_view line) {
    if (line_too_long_) {
      filling().add_bad(number_, too_long("line"));
    } else if (!blank(line)) {
      auto device = options_.format == Format::kCsv ? csv_.parse(line) : json_.parse(line);
      if (device) {
        filling().add(number_, *device);
      } else {
        filling().add_bad(number_, std::move(device.error()));
      }
    }
  }

  static std::string too_long(std::string_view what) {
    return fmt::format("{}: is longer than {} bytes", what, kLineBytesMax);
  }

  // The batch that is full goes to the store; the one before it has been answered.
  void hand_over() {
    settle();
    if (error_) return;
    if (filling().lines() == 0) {
      report_.next_line = std::max(report_.next_line, number_ + 1);
      return;
    }
    look_at_the_clock();
    filling().seal();
    written_through_ = number_;
    filling_ = 1 - filling_;
    filling().clear();
    writing_ = std::async(std::launch::async, [this, &batch = written()] { return write(batch); });
  }

  bool is_dry_run() const { return store_ == nullptr && load_ == nullptr; }

  // On a thread of its own; touches nothing of the importer that changes.
  Outcomes write(const RegistrationBatch& batch) const {
    if (batch.devices().empty()) return Outcomes{};
    if (load_) return load_->add(batch.devices(), batch.numbers(), options_.now_ms());
    if (is_dry_run()) return Outcomes{};
    for (unsigned attempt = 1;; ++attempt) {
      Outcomes outcomes = store_->put_devices(batch.devices(), options_.now_ms());
      const bool busy = !outcomes && outcomes.error().kind == store::Error::Kind::kBusy;
      if (!busy || !options_.retry_busy || !options_.retry_busy(attempt)) return outcomes;
    }
  }

  void fail(const store::Error& error) {
    error_ = error;
    if (load_) report_ = {};  // it leaves nothing
  }

  void finish_load() {
    const auto finished =
        load_->finish([this](std::uint64_t number, const store::Result<store::Registered>& result) {
          --report_.created;
          if (result) {
            count(*result);
          } else {
            tell({.number = number, .reason = result.error().message});
          }
        });
    if (!finished) fail(finished.error());
    std::ranges::sort(report_.bad_lines, {}, &BadLine::number);
  }

  void settle() {
    if (!writing_.valid()) return;
    const Outcomes outcomes = writing_.get();
    if (!outcomes) return fail(outcomes.error());
    account(written(), *outcomes);
    report_.next_line = written_through_ + 1;
  }

  // Bad lines come from the parser and from the store; together they are told in their order.
  void account(const RegistrationBatch& batch,
               const std::vector<store::Result<store::Registered>>& outcomes) {
    report_.lines += batch.lines();
    auto bad = batch.bad().begin();
    for (std::size_t i = 0; i < batch.devices().size(); ++i) {
      const std::uint64_t number = batch.numbers()[i];
      for (; bad != batch.bad().end() && bad->number < number; ++bad) tell(*bad);
      if (is_dry_run()) {
        ++report_.checked;
      } else if (outcomes[i]) {
        count(*outcomes[i]);
      } else {
        tell({.number = number, .reason = outcomes[i].error().message});
      }
    }
    for (; bad != batch.bad().end(); ++bad) tell(*bad);
  }

  void count(store::Registered registered) {
    switch (registered) {
      case store::Registered::kCreated:
        ++report_.created;
        return;
      case store::Registered::kUpdated:
        ++report_.updated;
        return;
      case store::Registered::kUnchanged:
        ++report_.unchanged;
        return;
    }
  }

  void tell(const BadLine& bad) {
    ++report_.bad;
    if (report_.bad_lines.size() < kBadLinesKept) report_.bad_lines.push_back(bad);
    if (options_.on_bad_line) options_.on_bad_line(bad);
  }

  // One of the two; neither: a dry run.
  store::Store* const store_;
  store::BulkLoad* const load_;
  const Options options_;
  RegistrationLine json_;
  RegistrationCsv csv_;
  bool has_header_ = false;
  std::vector<char> line_;  // the line that is being put together, and the parser's padding
  std::size_t line_used_ = 0;
  bool line_too_long_ = false;
  std::uint64_t number_ = 0;           // of the line that was read last
  std::uint64_t written_through_ = 0;  // of the last line of the batch that is being written
  ImportReport report_;
  std::optional<store::Error> error_;
  std::array<RegistrationBatch, 2> batches_;
  std::size_t filling_ = 0;
  std::future<Outcomes> writing_;  // last: its destructor waits, while the batches still stand
};

Importer::Importer(store::Store& store, Options options)
    : impl_(std::make_unique<Impl>(&store, nullptr, std::move(options))) {}
Importer::Importer(store::BulkLoad& load, Options options)
    : impl_(std::make_unique<Impl>(nullptr, &load, std::move(options))) {}
Importer::Importer(Options options)
    : impl_(std::make_unique<Impl>(nullptr, nullptr, std::move(options))) {}
Importer::~Importer() = default;
store::Result<void> Importer::feed(std::string_view bytes) {
  return impl_->feed(bytes);
}
store::Result<ImportReport> Importer::finish(End end) {
  return impl_->finish(end);
}
const ImportReport& Importer::so_far() const {
  return impl_->so_far();
}

}  // namespace carillon::import
