#include "relay/cli/credential_expiry.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "relay/cli/credentials.h"

namespace carillon::cli {

std::optional<ExpiryWord> expiry_word(std::string_view app, push::Platform platform,
                                      std::chrono::sys_seconds expires_at,
                                      std::chrono::sys_seconds now) {
  if (expires_at == std::chrono::sys_seconds() || expires_at - now > kExpiryWarning) {
    return std::nullopt;
  }
  const std::string section = section_of(app, platform);
  const std::string time = fmt::format(
      "{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(expires_at)));
  if (expires_at <= now) {
    return ExpiryWord{
        .expired = true,
        .sentence = fmt::format("{} the certificate has ended on {}: nothing is taken "
                                "with it; get a new one",
                                section, time)};
  }
  const auto days = std::chrono::floor<std::chrono::days>(expires_at - now).count();
  return ExpiryWord{.sentence = fmt::format("{} the certificate ends on {}, in {}: get a new one",
                                            section, time,
                                            days == 0   ? "less than a day"
                                            : days == 1 ? "1 day"
                                                        : fmt::format("{} days", days))};
}

}  // namespace carillon::cli
