#include "relay/import/rfc3339.h"

#include <fmt/format.h>

#include <chrono>

namespace carillon::import {
namespace {

// Reads a text from its front; once something is not there, nothing is any more.
class Front {
 public:
  explicit Front(std::string_view text) : left_(text) {}

  int digits(std::size_t count) {
    int number = 0;
    for (std::size_t i = 0; i < count; ++i) number = number * 10 + digit();
    return number;
  }
  int digit() {
    good_ = good_ && at_digit();
    return good_ ? take() - '0' : 0;
  }
  bool at_digit() const { return !left_.empty() && left_[0] >= '0' && left_[0] <= '9'; }
  // The character, if it is one of `any`.
  char one_of(std::string_view any) {
    good_ = good_ && !left_.empty() && any.find(left_[0]) != any.npos;
    return good_ ? take() : '\0';
  }
  bool next_is(char c) const { return !left_.empty() && left_[0] == c; }
  bool done() const { return good_ && left_.empty(); }

 private:
  char take() {
    const char c = left_[0];
    left_.remove_prefix(1);
    return c;
  }
  std::string_view left_;
  bool good_ = true;
};

}  // namespace

std::string rfc3339(std::int64_t ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  Front front(text);
  const int y = front.digits(4);
  front.one_of("-");
  const int m = front.digits(2);
  front.one_of("-");
  const int d = front.digits(2);
  front.one_of("Tt ");
  const int h = front.digits(2);
  front.one_of(":");
  const int min = front.digits(2);
  front.one_of(":");
  const int s = front.digits(2);
  int ms = 0;
  if (front.next_is('.')) {
    front.one_of(".");
    for (int scale = 100, first = 1; first == 1 || front.at_digit(); scale /= 10, first = 0) {
      ms += front.digit() * scale;
    }
  }
  int offset_minutes = 0;
  const char zone = front.one_of("Zz+-");
  if (zone == '+' || zone == '-') {
    const int hours_off = front.digits(2);
    front.one_of(":");
    const int minutes_off = front.digits(2);
    if (hours_off > 23 || minutes_off > 59) return std::nullopt;
    offset_minutes = (zone == '-' ? -1 : 1) * (hours_off * 60 + minutes_off);
  }
  const year_month_day date{year(y), month(static_cast<unsigned>(m)),
                            day(static_cast<unsigned>(d))};
  if (!front.done() || !date.ok() || h > 23 || min > 59 || s > 60) return std::nullopt;
  const auto time =
      sys_days(date) + hours(h) + minutes(min - offset_minutes) + seconds(s) + milliseconds(ms);
  const std::int64_t since_1970 = time.time_since_epoch().count();
  if (since_1970 < 0) return std::nullopt;
  return since_1970;
}

}  // namespace carillon::import
