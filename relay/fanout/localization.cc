#include "relay/fanout/localization.h"

#include <algorithm>
#include <array>
#include <utility>

namespace carillon::fanout {
namespace {

constexpr std::pair<std::string_view, std::string Wording::*> kWords[] = {
    {"title", &Wording::title},
    {"body", &Wording::body},
    {"image", &Wording::image},
    {"click_url", &Wording::click_url},
};

// ISO 639 renamed them in 1989; java.util.Locale said the old ones until Java 17, Android in
// getLanguage() until today.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kRenamed = {
    {{"iw", "he"}, {"in", "id"}, {"ji", "yi"}}};

// RFC 4647, 3.4: what ends in a single character ("zh-x") loses that, too.
std::string_view without_last_part(std::string_view locale) {
  const std::size_t end = locale.rfind('-');
  if (end == std::string_view::npos) return {};
  locale = locale.substr(0, end);
  if (locale.size() >= 2 && locale[locale.size() - 2] == '-') locale.remove_suffix(2);
  return locale;
}

}  // namespace

std::size_t Wording::bytes() const {
  std::size_t sum = locale.size();
  for (const auto& [name, member] : kWords) sum += (this->*member).size();
  return sum;
}

std::string canonical_locale(std::string_view locale) {
  std::string tag(locale.substr(0, locale.find_first_of(".@")));
  for (char& c : tag) {
    if (c == '_') c = '-';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const std::string_view language = std::string_view(tag).substr(0, tag.find('-'));
  for (const auto& [before, now] : kRenamed) {
    if (language == before) return tag.replace(0, before.size(), now);
  }
  return tag;
}

bool Localization::add(Wording wording) {
  std::string canonical = canonical_locale(wording.locale);
  if (std::ranges::find(canonical_, canonical) != canonical_.end()) return false;
  canonical_.push_back(std::move(canonical));
  wordings_.push_back(std::move(wording));
  return true;
}

std::size_t Localization::bytes() const {
  std::size_t sum = 0;
  for (const Wording& wording : wordings_) sum += wording.bytes();
  return sum;
}

std::optional<std::size_t> Localization::find(std::string_view device_locale) const {
  const std::string canonical = canonical_locale(device_locale);
  for (std::string_view wanted = canonical; !wanted.empty(); wanted = without_last_part(wanted)) {
    const auto found = std::ranges::find(canonical_, wanted);
    if (found != canonical_.end()) return static_cast<std::size_t>(found - canonical_.begin());
  }
  return std::nullopt;
}

push::Notification in_words(const push::Notification& notification, const Wording& wording) {
  push::Notification said = notification;
  if (!wording.title.empty()) said.title = wording.title;
  if (!wording.body.empty()) said.body = wording.body;
  if (!wording.image.empty()) said.image = wording.image;
  if (!wording.click_url.empty()) said.click_url = wording.click_url;
  return said;
}

std::string pointer_in(const Wording& wording, std::string_view pointer) {
  constexpr std::string_view kNotification = "/notification/";
  const std::string here = "/localized/" + wording.locale;
  if (!pointer.starts_with(kNotification)) return here;
  const std::string_view name = pointer.substr(kNotification.size());
  for (const auto& [known, member] : kWords) {
    if (name == known && !(wording.*member).empty()) return here + "/" + std::string(name);
  }
  return here;
}

void check_wordings(const push::Provider& provider, const push::Notification& notification,
                    const Localization& localization, std::chrono::system_clock::time_point now,
                    std::vector<push::RenderError>& faults) {
  for (const Wording& wording : localization.wordings()) {
    if (faults.size() >= kWordingFaultsMax) return;
    auto rendered = provider.render(in_words(notification, wording), now);
    if (rendered) continue;
    faults.push_back({.pointer = pointer_in(wording, rendered.error().pointer),
                      .message = std::move(rendered.error().message)});
  }
}

}  // namespace carillon::fanout
