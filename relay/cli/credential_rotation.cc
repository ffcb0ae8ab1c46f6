#include "relay/cli/credential_rotation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <mutex>
#include <utility>

#include "providers/auth/es256_key.h"
#include "providers/auth/private_key.h"
#include "relay/api/sha256.h"
#include "relay/cli/credentials.h"

namespace carillon::cli {
namespace {

using std::chrono::milliseconds;
using Digest = std::array<std::uint8_t, 32>;

// Of a section's words and of what its files hold; of a file that cannot be read, why.
Digest digest_of(const config::Basis& basis) {
  std::string text = basis.text;
  for (const std::filesystem::path& file : basis.files) {
    const auto content = push::auth::read_credential_file(file.string());
    text += fmt::format("\n{} {}\n", file.string(), content.has_value());
    text += content ? *content : content.error();
  }
  return api::sha256(text);
}

// What browsers have subscribed with. The error is a sentence.
tl::expected<std::array<std::uint8_t, 65>, std::string> public_key_of(
    const push::WebPushConfig& config) {
  const auto key = push::auth::Es256Key::from_file(config.vapid_key_file);
  if (!key) return tl::unexpected(key.error());
  return key->public_point();
}

}  // namespace

struct CredentialRotation::Heard {
  void put(push::PlatformWord said) {
    const std::lock_guard lock(mutex);
    word = std::move(said);
  }
  std::optional<push::PlatformWord> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(word, std::nullopt);
  }

  std::mutex mutex;  // a provider's thread tells, the main thread looks
  std::optional<push::PlatformWord> word;
};

struct CredentialRotation::Watched {
  std::string app;
  push::Platform platform{};
  std::string section_name;
  config::Basis basis;  // as the config says it now: whose files are looked at
  Digest in_use{};
  std::optional<std::array<std::uint8_t, 65>> vapid_key;  // in use; Web Push only

  Digest tried{};  // of what was last tried and is not in use
  Candidate candidate;
  std::shared_ptr<Heard> heard;  // of the question that is open
  Clock::time_point asked_at{};
  std::optional<Clock::time_point> try_again_at;
  std::string alarm;

  void drop_candidate() {
    heard.reset();
    try_again_at.reset();
    candidate.provider.reset();  // before its seat
    candidate.seat.reset();
  }
};

CredentialRotation::CredentialRotation(config::Config in_use, House house)
    : house_(std::move(house)), config_(std::move(in_use)) {
  for (const auto& [name, app] : config_.apps) {
    for (const push::Platform platform : platforms_of(app)) {
      auto watched = std::make_unique<Watched>();
      watched->app = name;
      watched->platform = platform;
      watched->section_name = section_of(name, platform);
      watched->basis = app.basis.at(platform);
      watched->in_use = watched->tried = digest_of(watched->basis);
      if (platform == push::Platform::kWebPush) {
        if (const auto key = public_key_of(*app.webpush)) watched->vapid_key = *key;
      }
      watched_.push_back(std::move(watched));
    }
  }
  seen_ = acted_ = signature();
  look_at_ = house_.now() + kLookInterval;
}

CredentialRotation::~CredentialRotation() = default;

// Time, size and identity of every file. A directory that is swapped behind a symbolic link changes
// the identity.
std::string CredentialRotation::signature() const {
  std::string signature;
  for (const auto& watched : watched_) {
    for (const std::filesystem::path& file : watched->basis.files) {
      struct stat status {};
      if (stat(file.c_str(), &status) != 0) status = {};
      signature += fmt::format("{}.{:09} {} {}:{}\n", status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                               status.st_size, status.st_dev, status.st_ino);
    }
  }
  return signature;
}

void CredentialRotation::look() {
  std::string now = signature();
  const bool settled = now == seen_;
  seen_ = std::move(now);
  if (!settled || seen_ == acted_) return;
  spdlog::info("a credential's file has changed");
  reread();
}

void CredentialRotation::reread() {
  if (auto loaded = house_.load()) {
    config_ = *std::move(loaded);
  } else {
    for (const config::Problem& problem : loaded.error()) {
      spdlog::error("the config is left as it is: {}: {}", problem.where, problem.message);
    }
  }
  for (const auto& [name, app] : config_.apps) {
    for (const push::Platform platform : platforms_of(app)) {
      const bool known = std::ranges::any_of(watched_, [&, &app_name = name](const auto& watched) {
        return watched->app == app_name && watched->platform == platform;
      });
      if (!known) spdlog::warn("{} is new: it is used after a restart", section_of(name, platform));
    }
  }
  for (const auto& watched : watched_) {
    const auto app = config_.apps.find(watched->app);
    const auto basis = app == config_.apps.end() ? nullptr : [&]() -> const config::Basis* {
      const auto found = app->second.basis.find(watched->platform);
      return found == app->second.basis.end() ? nullptr : &found->second;
    }();
    if (basis == nullptr) {
      spdlog::warn("{} is not in the config any more: it goes with a restart",
                   watched->section_name);
      continue;
    }
    watched->basis = *basis;
    take_section(*watched, app->second);
  }
  seen_ = acted_ = signature();
}

void CredentialRotation::take_section(Watched& watched, const config::App& section) {
  const Digest digest = digest_of(watched.basis);
  if (digest == watched.in_use) {  // as it was, or as it is again
    watched.drop_candidate();
    watched.tried = digest;
    return set_alarm(watched, "");
  }
  if (digest == watched.tried && watched.candidate.provider) return ask(watched);
  watched.tried = digest;
  watched.drop_candidate();
  auto made = house_.make(watched.app, section, watched.platform);
  if (!made) return set_alarm(watched, fmt::format("{}", fmt::join(made.error(), "; ")));
  watched.candidate = *std::move(made);
  if (watched.platform != push::Platform::kWebPush) return ask(watched);
  const auto key = public_key_of(section.webpush.value());
  if (key && watched.vapid_key == *key) return adopt(watched);  // there is nothing new to be tried
  watched.drop_candidate();
  set_alarm(watched,
            key ? "the VAPID key is another one. Every browser has subscribed with the one "
                  "in use and would be lost: put that back, or restart to lose them"
                : key.error());
}

void CredentialRotation::ask(Watched& watched) {
  const auto heard = std::make_shared<Heard>();
  watched.heard = heard;
  watched.asked_at = house_.now();
  watched.try_again_at.reset();
  spdlog::info("{} has another credential: it is tried", watched.section_name);
  watched.candidate.provider->probe(
      [heard](push::PlatformWord word) { heard->put(std::move(word)); });
}

void CredentialRotation::hear(Watched& watched) {
  auto word = watched.heard->take();
  if (!word) {
    if (house_.now() - watched.asked_at < kAnswerMax) return;
    const std::string error = watched.candidate.provider->health().last_error;
    word = push::PlatformWord{.text = fmt::format("no answer within {} ms{}{}", kAnswerMax.count(),
                                                  error.empty() ? "" : "; ", error)};
  }
  watched.heard.reset();
  if (word->kind == push::PlatformWord::Kind::kGood) return adopt(watched);
  watched.try_again_at = house_.now() + kTryAgainAfter;
  set_alarm(watched, word->kind == push::PlatformWord::Kind::kRefused
                         ? fmt::format("the new credential is refused: {}", word->text)
                         : fmt::format("the new credential could not be tried: {}", word->text));
}

void CredentialRotation::adopt(Watched& watched) {
  house_.adopt(watched.app, std::exchange(watched.candidate, {}));
  watched.in_use = watched.tried;
  closing_ = true;
  spdlog::info("{} uses the new credential; what was sent with the old one ends with it",
               watched.section_name);
  set_alarm(watched, "");
}

void CredentialRotation::set_alarm(Watched& watched, std::string alarm) {
  if (alarm == watched.alarm) return;
  if (alarm.empty()) {
    spdlog::info("{}: its credential is in order again", watched.section_name);
  } else {
    spdlog::error("{}: {}. The credential in use stays", watched.section_name, alarm);
  }
  watched.alarm = alarm;
  house_.alarm(watched.app, watched.platform, std::move(alarm));
}

milliseconds CredentialRotation::work() {
  const auto now = house_.now();
  if (now >= look_at_) {
    look();
    look_at_ = now + kLookInterval;
  }
  bool waits = false;
  for (const auto& watched : watched_) {
    if (watched->heard) hear(*watched);
    if (watched->try_again_at && now >= *watched->try_again_at) ask(*watched);
    waits = waits || watched->heard != nullptr;
  }
  if (closing_) {
    closing_ = house_.close_replaced() > 0;
    if (!closing_) spdlog::info("what was sent with replaced credentials is answered");
  }
  if (waits || closing_) return kWaitStep;
  return std::max(std::chrono::ceil<milliseconds>(look_at_ - now), milliseconds(1));
}

}  // namespace carillon::cli
