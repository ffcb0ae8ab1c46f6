#include "providers/question.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace carillon::push {

PushBatch question(RenderedMessage message, std::string_view token,
                   std::function<void(const Verdict&)> told) {
  return {.message = std::make_shared<const RenderedMessage>(std::move(message)),
          .targets = {{.token_length = static_cast<std::uint32_t>(token.size())}},
          .tokens = std::string(token),
          .told = std::move(told)};
}

std::string word_of(const Verdict& verdict) {
  if (verdict.reason.empty()) return fmt::format("status {}", verdict.status);
  if (verdict.status == 0) return verdict.reason;
  return fmt::format("{} (status {})", verdict.reason, verdict.status);
}

PlatformWord with_error(PlatformWord word, const ProviderHealth& health) {
  if (word.kind != PlatformWord::Kind::kGood && !health.last_error.empty()) {
    word.text += fmt::format("; {}", health.last_error);
  }
  return word;
}

}  // namespace carillon::push
