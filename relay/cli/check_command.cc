#include "relay/cli/check_command.h"

#include <fmt/format.h>

#include <chrono>
#include <future>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "relay/cli/credential_expiry.h"
#include "relay/cli/credentials.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/figures.h"
#include "relay/cli/installation.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::cli {
namespace {

// Providers that are made to be looked at hear of no answers: nothing is submitted to them.
class NoVerdicts : public push::VerdictSink {
 public:
  void on_verdicts(std::span<const push::Verdict>) noexcept override {}
};

// All at once, a line for each. What a platform says last is heard by nobody any more.
bool check_online(Terminal& terminal, const std::vector<AppProvider>& providers,
                  std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::vector<std::future<push::PlatformWord>> words;
  for (const AppProvider& one : providers) {
    const auto promise = std::make_shared<std::promise<push::PlatformWord>>();
    words.push_back(promise->get_future());
    one.provider->probe(
        [promise](push::PlatformWord word) { promise->set_value(std::move(word)); });
  }
  using Kind = push::PlatformWord::Kind;
  bool good = true;
  for (std::size_t i = 0; i < providers.size(); ++i) {
    push::PlatformWord word;
    if (words[i].wait_until(deadline) == std::future_status::ready) {
      word = words[i].get();
    } else {
      const std::string error = providers[i].provider->health().last_error;
      word.text = fmt::format("no answer within {} ms{}{}", patience.count(),
                              error.empty() ? "" : "; ", error);
    }
    const std::string section = section_of(providers[i]);
    if (word.kind == Kind::kGood) {
      terminal.out << fmt::format("online: {} is taken: {}\n", section, word.text);
      continue;
    }
    good = false;
    explain(terminal, word.kind == Kind::kRefused
                          ? fmt::format("{} is refused: {}", section, word.text)
                          : fmt::format("{} is not known to be taken: {}", section, word.text));
  }
  return good;
}

bool check_credentials(Terminal& terminal, const config::Config& config,
                       const CheckOptions& options) {
  NoVerdicts sink;
  push::EventLoop loop;
  const Providers providers = make_providers(
      config, [&sink](const std::string&, push::Platform) -> push::VerdictSink& { return sink; },
      loop, std::make_shared<push::auth::TokenShelf>());
  for (const std::string& problem : providers.problems) explain(terminal, problem);
  bool good = providers.problems.empty();
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  for (const AppProvider& made : providers.made) {
    const auto word = expiry_word(made.app, made.provider->platform(),
                                  made.provider->health().credential_expires_at, now);
    if (!word) continue;
    explain(terminal, word->expired ? word->sentence : "warning: " + word->sentence);
    good = good && !word->expired;
  }
  if (!good) return false;
  terminal.out << fmt::format("credentials: {} of {} in order\n",
                              counted(providers.made.size(), "provider"),
                              counted(config.apps.size(), "app"));
  return !options.online || check_online(terminal, providers.made, options.online_max);
}

bool check_store(Terminal& terminal, const std::filesystem::path& path, bool deep) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) {
    const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    if (!std::filesystem::is_directory(folder, error)) {
      explain(terminal, fmt::format("the store's folder {} is not there: make it, or change "
                                    "store.path",
                                    folder.string()));
      return false;
    }
    terminal.out << fmt::format(
        "store: {} is not there yet; the first command that needs it makes "
        "it\n",
        path.string());
    return true;
  }
  const auto faults = store::check_sqlite_store(path.string(), deep);
  if (!faults) {
    explain(terminal, faults.error().message);
    return false;
  }
  for (const std::string& fault : *faults) explain(terminal, fault);
  if (!faults->empty()) return false;
  terminal.out << fmt::format("store: {} is in order{}\n", path.string(),
                              deep ? "" : " (--deep reads all of it)");
  return true;
}

}  // namespace

int run_check(Terminal& terminal, const CheckOptions& options) {
  const auto config = load_config_or_explain(terminal, options.config_file);
  if (!config) return kExitFailure;
  terminal.out << fmt::format("config: {} is in order\n", options.config_file.string());
  const bool credentials = check_credentials(terminal, *config, options);
  const bool store = check_store(terminal, config->store.path, options.deep);
  terminal.out << std::flush;
  return credentials && store ? kExitOk : kExitFailure;
}

}  // namespace carillon::cli
