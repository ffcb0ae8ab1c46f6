#include "relay/cli/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "providers/apns/apns_provider.h"
#include "providers/fcm/fcm_provider.h"
#include "providers/webpush/webpush_provider.h"

namespace carillon::cli {
namespace {

class Collection {
 public:
  void add(const std::string& app, push::Platform platform, MadeProvider made) {
    if (made) {
      made_.push_back({.app = app, .provider = std::move(*made)});
      return;
    }
    const std::string section = section_of(app, platform);
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

std::string section_of(std::string_view app, push::Platform platform) {
  return fmt::format("[apps.{}.{}]", app,
                     platform == push::Platform::kApns  ? "apns"
                     : platform == push::Platform::kFcm ? "fcm"
                                                        : "webpush");
}

auto make_provider(const config::App& app, push::Platform platform, push::VerdictSink& sink,
                   push::EventLoop& loop, const SharedTokens& tokens) -> MadeProvider {
  switch (platform) {
    case push::Platform::kApns:
      return push::make_apns_provider(app.apns.value(), sink, loop, tokens);
    case push::Platform::kFcm:
      return push::make_fcm_provider(app.fcm.value(), sink, loop);
    case push::Platform::kWebPush:
      break;
  }
  return push::make_webpush_provider(app.webpush.value(), sink, loop, tokens);
}

std::vector<push::Platform> platforms_of(const config::App& app) {
  std::vector<push::Platform> platforms;
  if (app.apns) platforms.push_back(push::Platform::kApns);
  if (app.fcm) platforms.push_back(push::Platform::kFcm);
  if (app.webpush) platforms.push_back(push::Platform::kWebPush);
  return platforms;
}

Providers make_providers(const config::Config& config, const SinkOf& sink_of, push::EventLoop& loop,
                         const SharedTokens& tokens) {
  Collection collection;
  for (const auto& [name, app] : config.apps) {
    for (const push::Platform platform : platforms_of(app)) {
      collection.add(name, platform,
                     make_provider(app, platform, sink_of(name, platform), loop, tokens));
    }
  }
  return std::move(collection).take();
}

}  // namespace carillon::cli
