// One table of the config file, read key by key: what is wrong is noted with its line, and reading
// goes on, so that an operator hears of everything at once.
#pragma once

#include <toml++/toml.h>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "relay/config/config.h"

namespace carillon::config {

// The file's problems as they are found, in any order.
class ProblemList {
 public:
  explicit ProblemList(std::string file) : file_(std::move(file)) {}
  // `line` 0: of the file as a whole.
  void add(std::size_t line, std::string message);
  bool empty() const { return found_.empty(); }
  std::vector<Problem> sorted() &&;  // by line

 private:
  struct Found {
    std::size_t line;
    std::string message;
  };
  std::string file_;
  std::vector<Found> found_;
};

// What a number may be, both ends included.
struct Range {
  std::int64_t min = 0;
  std::int64_t max = 0;
};

// Reads `table`; a null one leaves every default as it is and is told of what is required only.
// Everything that is passed in must outlive it.
class Section {
 public:
  // `name` as in the file's brackets ("apps.video.apns"); `line` is where what is missing is told.
  Section(const toml::table* table, std::string name, std::size_t line, ProblemList& problems);

  // The value, if the key is there and right. Each call makes the key known. No text may be empty.
  std::optional<std::string> text(std::string_view key);
  std::optional<std::int64_t> number(std::string_view key, Range range);
  std::optional<bool> flag(std::string_view key);
  // A list of texts, none of them empty; itself it may be.
  std::optional<std::vector<std::string>> texts(std::string_view key);
  // A sub-table; null if there is none or it is not a table.
  const toml::table* table(std::string_view key);

  // The same into a value that keeps its default otherwise.
  void read(std::string_view key, std::string& into);
  template <class Number>
  void read(std::string_view key, Number& into, Range range) {
    static_assert(std::numeric_limits<Number>::is_integer);
    if (const auto value = number(key, range)) into = static_cast<Number>(*value);
  }
  void read(std::string_view key, std::chrono::milliseconds& into, Range milliseconds) {
    if (const auto value = number(key, milliseconds)) into = std::chrono::milliseconds(*value);
  }
  // The keys and values as they were understood, in the order of the keys, but for those.
  std::string text_without(std::span<const std::string_view> keys) const;

  // A path, relative to `folder`.
  std::optional<std::filesystem::path> path(std::string_view key,
                                            const std::filesystem::path& folder);
  void require(std::string_view key);  // it must be there

  // What no call has asked for is unknown, and an error with the nearest known key. Last.
  void refuse_others();

  // A problem of a key's value; the section's own line if it is not there.
  void problem(std::string_view key, std::string_view message);

  std::size_t line_of(std::string_view key) const;
  const std::string& name() const { return name_; }
  std::span<const std::string> known() const { return known_; }
  std::span<const std::filesystem::path> paths() const { return paths_; }  // that were found

 private:
  const toml::node* find(std::string_view key);
  std::string full(std::string_view key) const;

  const toml::table* table_;
  std::string name_;
  std::size_t line_;
  ProblemList& problems_;
  std::vector<std::string> known_;
  std::vector<std::filesystem::path> paths_;
};

// The name among `known` that a mistyped one most likely means; empty if none is near. Pure.
std::string_view nearest(std::string_view mistyped, std::span<const std::string> known);

}  // namespace carillon::config
