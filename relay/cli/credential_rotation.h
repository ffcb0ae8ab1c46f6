// Credentials that change while the relay runs: a new one is tried on its platform first, and taken
// only if that says yes. Until then the one in use stays.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "providers/provider.h"
#include "relay/config/config.h"
#include "relay/fanout/provider_succession.h"

namespace carillon::cli {

class CredentialRotation {
 public:
  using Clock = std::chrono::steady_clock;

  // How often the files are looked at. A change counts when two looks find the same: whoever writes
  // a key is done then.
  static constexpr std::chrono::milliseconds kLookInterval{1'000};
  // How long a platform has to say something about a new credential.
  static constexpr std::chrono::milliseconds kAnswerMax{30'000};
  // After it did not, or said no: a key that was made a minute ago is not known everywhere at Apple
  // and Google, and either may be away. More than Google's account is left alone for after a
  // refusal.
  static constexpr std::chrono::milliseconds kTryAgainAfter{90'000};
  // How often an answer, and the end of a replaced provider, is looked for.
  static constexpr std::chrono::milliseconds kWaitStep{50};

  // A provider that reports to its own seat, and goes before it.
  struct Candidate {
    std::shared_ptr<fanout::ProviderSeat> seat;
    std::unique_ptr<push::Provider> provider;
  };
  // What it lives in.
  struct House {
    std::function<tl::expected<config::Config, std::vector<config::Problem>>()> load;
    std::function<tl::expected<Candidate, std::vector<std::string>>(
        const std::string& app, const config::App& section, push::Platform platform)>
        make;
    std::function<void(const std::string& app, Candidate candidate)> adopt;
    // Empty: there is none any more.
    std::function<void(const std::string& app, push::Platform platform, std::string alarm)> alarm;
    std::function<std::size_t()> close_replaced;  // how many are left
    std::function<Clock::time_point()> now = &Clock::now;
  };

  // `in_use` is what the providers were made from.
  CredentialRotation(config::Config in_use, House house);
  ~CredentialRotation();

  // Reads config and credentials again, and tries what has changed. What else has changed in the
  // config waits for a restart.
  void reread();

  // Does what is due and waits for nobody; how long until the next call.
  std::chrono::milliseconds work();

 private:
  struct Watched;
  // A platform's answer, whenever it comes.
  struct Heard;

  std::string signature() const;
  void look();
  void take_section(Watched& watched, const config::App& section);
  void ask(Watched& watched);
  void hear(Watched& watched);
  void adopt(Watched& watched);
  void set_alarm(Watched& watched, std::string alarm);

  const House house_;
  config::Config config_;
  std::vector<std::unique_ptr<Watched>> watched_;
  Clock::time_point look_at_;
  std::string seen_, acted_;  // the files' signature at the latest look; when they were last read
  bool closing_ = false;      // a replaced provider is not closed yet
};

}  // namespace carillon::cli
