// What callgrind counts the instructions of, for tests/bench/guard: the client path, from a batch
// that is submitted to its verdicts, and the reading of an audience from the store. Each does a
// given number of devices and nothing else, so that the difference of two sizes is their cost.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "providers/apns/apns_provider.h"
#include "tests/bench/population.h"
#include "tests/bench/store_figures.h"

namespace carillon::bench {
namespace {

constexpr std::size_t kBatchDevices = 512;  // as the relay's default
constexpr std::size_t kScanPageDevices = 512;

// Counts verdicts; whoever submits waits for them.
class CountingSink final : public push::VerdictSink {
 public:
  void on_verdicts(std::span<const push::Verdict> verdicts) noexcept override {
    const std::lock_guard lock(mutex_);
    for (const push::Verdict& verdict : verdicts) {
      if (verdict.kind != push::VerdictKind::kAccepted) refused_ = verdict.reason;
    }
    settled_ += verdicts.size();
    changed_.notify_one();
  }

  // Returns when no more than `open_max` of `submitted` have no verdict.
  void wait(std::uint64_t submitted, std::uint64_t open_max) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return submitted - settled_ <= open_max; });
    if (!refused_.empty()) throw std::runtime_error("a notification was refused: " + refused_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t settled_ = 0;
  std::string refused_;
};

std::vector<std::string> lines_of(const std::string& path, std::size_t count) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; lines.size() < count && std::getline(in, line);) lines.push_back(line);
  if (lines.size() < count) throw std::runtime_error(path + " has too few lines");
  return lines;
}

push::Notification notification() {
  return {.event_id = "01890a5d-ac96-774b-bcce-b302099a8057",
          .title = "New upload",
          .body =
              "Bells of Bruges, part 3: how the carillon of the belfry was tuned again after a "
              "hundred and twenty years, bell by bell in a cold spring.",
          .data = {{"video", "bruges-3"}},
          .expires_at = std::chrono::sys_seconds(std::chrono::seconds(4'000'000'000))};
}

void send(push::ApnsConfig config, const std::string& tokens_path, std::uint64_t devices) {
  const auto tokens = lines_of(tokens_path, devices);
  config.bundle_id = "com.example.video";
  config.connections_max = 1;  // one that is full: how many there are is the pool's to find out
  // Under callgrind everything takes fifty times as long.
  config.connect_max = config.request_timeout = config.queued_max = std::chrono::minutes(5);
  config.stuck_after = config.ping_max = std::chrono::minutes(5);
  CountingSink sink;
  push::EventLoop loop;
  auto provider = push::make_apns_provider(config, sink, loop);
  if (!provider) throw std::runtime_error(provider.error().front());
  auto rendered = (*provider)->render(notification(), {});
  if (!rendered) throw std::runtime_error(rendered.error().message);
  const auto message = std::make_shared<const push::RenderedMessage>(std::move(*rendered));

  std::uint64_t submitted = 0;
  while (submitted < devices) {
    push::PushBatch batch{.message = message};
    while (submitted < devices && batch.targets.size() < kBatchDevices) {
      const std::string& token = tokens[submitted];
      const std::uint64_t mixed_number = mixed(submitted);
      push::PushTarget target{.tag = submitted++,
                              .token_offset = static_cast<std::uint32_t>(batch.tokens.size()),
                              .token_length = static_cast<std::uint32_t>(token.size())};
      for (std::size_t i = 0; i < target.id.size(); ++i) {
        target.id[i] = static_cast<std::uint8_t>(mixed_number >> (i % 8 * 8));
      }
      batch.targets.push_back(target);
      batch.tokens += token;
    }
    (*provider)->submit(std::move(batch));
    sink.wait(submitted, 2 * kBatchDevices);
  }
  sink.wait(submitted, 0);
  (*provider)->close(std::chrono::minutes(1));
}

void build_store(const std::string& store, std::uint64_t devices) {
  const std::string lines = store + ".ndjson";
  write_lines(lines, 0, devices, Order::kSorted, Topics::kOne);
  import_file(store, lines);
}

void scan(const std::string& path, std::uint64_t devices) {
  const auto store = open_store(path);
  const store::JobKey job = accept_event(*store, kTopicOfAll, 1);
  auto audience = store->scan(job);
  if (!audience) throw std::runtime_error(audience.error().message);
  store::DevicePage page;
  std::uint64_t seen = 0;
  while (seen < devices && !page.end) {
    const auto read = (*audience)->read(page.through, kScanPageDevices, page);
    if (!read) throw std::runtime_error(read.error().message);
    seen += page.devices.size();
  }
  if (seen < devices) throw std::runtime_error("the store has fewer devices");
}

int run(int argc, char** argv) {
  CLI::App app("What tests/bench/guard counts the instructions of", "fanout_guard");
  app.require_subcommand(1);
  push::ApnsConfig config;
  std::string tokens, store;
  std::uint64_t devices = 0;
  CLI::App* client = app.add_subcommand("client", "Notifications through the APNs provider");
  client->add_option("--endpoint", config.endpoint)->required();
  client->add_option("--ca", config.ca_file)->required();
  client->add_option("--key", config.key_file)->required();
  client->add_option("--key-id", config.key_id)->required();
  client->add_option("--team-id", config.team_id)->required();
  client->add_option("--tokens", tokens, "File with one token a line")->required();
  CLI::App* build = app.add_subcommand("build", "A store with that many devices");
  CLI::App* read = app.add_subcommand("scan", "Reads that many devices of its audience");
  for (CLI::App* command : {build, read}) command->add_option("--store", store)->required();
  for (CLI::App* command : {client, build, read}) {
    command->add_option("--devices", devices)->required()->check(CLI::PositiveNumber);
  }
  CLI11_PARSE(app, argc, argv);
  if (*client) send(config, tokens, devices);
  if (*build) build_store(store, devices);
  if (*read) scan(store, devices);
  return 0;
}

}  // namespace
}  // namespace carillon::bench

int main(int argc, char** argv) {
  try {
    return carillon::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fanout_guard: {}\n", error.what());
    return 1;
  }
}
