#include "relay/cli/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "providers/apns/apns_provider.h"
#include "providers/fcm/fcm_provider.h"
#include "providers/webpush/webpush_provider.h"

namespace carillon::cli {
namespace {

using Made = tl::expected<std::unique_ptr<push::Provider>, std::vector<std::string>>;

class Collection {
 public:
  void add(const std::string& app, std::string_view platform, Made made) {
    if (made) {
      made_.push_back({.app = app, .provider = std::move(*made)});
      return;
    }
    const std::string section = fmt::format("[apps.{}.{}]", app, platform);
    for (std::string& problem : made.error()) add_problem(section, std::move(problem));
  }

  Providers take() && {
    Providers providers{.made = std::move(made_), .problems = {}};
    for (const Problem& problem : problems_) {
      providers.problems.push_back(
          fmt::format("{} {}", fmt::join(problem.sections, " "), problem.sentence));
    }
    return providers;
  }

 private:
  // One file may serve many sections, a CA's most of all: it is missing once.
  struct Problem {
    std::string sentence;
    std::vector<std::string> sections;
  };

  void add_problem(const std::string& section, std::string sentence) {
    const auto known = std::ranges::find(problems_, sentence, &Problem::sentence);
    if (known != problems_.end()) {
      known->sections.push_back(section);
    } else {
      problems_.push_back({.sentence = std::move(sentence), .sections = {section}});
    }
  }

  std::vector<AppProvider> made_;
  std::vector<Problem> problems_;
};

}  // namespace

Providers make_providers(const config::Config& config, const SinkOf& sink_of,
                         push::EventLoop& loop) {
  Collection collection;
  for (const auto& [name, app] : config.apps) {
    if (app.apns) {
      collection.add(
          name, "apns",
          push::make_apns_provider(*app.apns, sink_of(name, push::Platform::kApns), loop));
    }
    if (app.fcm) {
      collection.add(name, "fcm",
                     push::make_fcm_provider(*app.fcm, sink_of(name, push::Platform::kFcm), loop));
    }
    if (app.webpush) {
      collection.add(
          name, "webpush",
          push::make_webpush_provider(*app.webpush, sink_of(name, push::Platform::kWebPush), loop));
    }
  }
  return std::move(collection).take();
}

}  // namespace carillon::cli
