// One event in several languages, and which of them a device gets. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/notification.h"
#include "providers/provider.h"

namespace carillon::fanout {

// Of one event: languages, and bytes of all their tags and texts together. So much is kept in
// memory for each event under way, and fits with the rest into store::kContentBytesMax.
inline constexpr std::size_t kLocalesPerEventMax = 64;
inline constexpr std::size_t kLocalizedBytesMax = 32 * 1024;

// What is said differently in one language; an empty member is the default notification's.
struct Wording {
  std::string locale;  // as the publisher wrote it: "pt-BR"
  std::string title;
  std::string body;
  std::string image;
  std::string click_url;

  std::size_t bytes() const;
  friend bool operator==(const Wording&, const Wording&) = default;
};

// A language tag as tags are compared: lower case, '-' between its parts, without what a POSIX
// locale has after them ("de_AT.UTF-8" → "de-at"), and with today's code where Java and old
// Androids say another one ("iw" → "he").
std::string canonical_locale(std::string_view locale);

class Localization {
 public:
  // False if a language that is the same but for its spelling is there.
  bool add(Wording wording);

  const std::vector<Wording>& wordings() const { return wordings_; }
  bool empty() const { return wordings_.empty(); }
  std::size_t bytes() const;  // what counts against kLocalizedBytesMax

  // Which of them a device gets: the one of its locale, else of the locale without its last part,
  // and so on (RFC 4647, section 3.4: "zh-Hant-TW", "zh-Hant", "zh"). None: the default.
  std::optional<std::size_t> find(std::string_view device_locale) const;

 private:
  std::vector<Wording> wordings_;
  std::vector<std::string> canonical_;  // the locales of wordings_
};

// The notification as it is said in one language.
push::Notification in_words(const push::Notification& notification, const Wording& wording);

// Where an event has what a renderer finds fault with in these words only: in the wording's own
// member if it has one, else in the wording as a whole. RFC 6901.
std::string pointer_in(const Wording& wording, std::string_view pointer);

// Adds what a provider's renderer finds fault with in each wording, of a notification that it takes
// in its default words; until there are kWordingFaultsMax faults. What is rendered is thrown away:
// an event may wait long, and its languages are many.
inline constexpr std::size_t kWordingFaultsMax = 32;
void check_wordings(const push::Provider& provider, const push::Notification& notification,
                    const Localization& localization, std::chrono::system_clock::time_point now,
                    std::vector<push::RenderError>& faults);

}  // namespace carillon::fanout
