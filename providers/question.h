// Questions to a platform: requests that reach nobody, sent through the same channel as all others.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "providers/provider.h"

namespace carillon::push {

// A batch of one, to be submitted to a PushChannel; its only verdict goes to `told`.
PushBatch question(RenderedMessage message, std::string_view token,
                   std::function<void(const Verdict&)> told);

// For an operator: "BadDeviceToken (status 400)"; the status alone if it was a plain yes.
std::string word_of(const Verdict& verdict);

// With why nothing could be asked, where a connection or a credential says.
PlatformWord with_error(PlatformWord word, const ProviderHealth& health);

}  // namespace carillon::push
