#include "relay/config/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <sstream>
#include <utility>

namespace carillon::config {
namespace {

// Edits that turn one word into another: insert, delete or replace a character.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

std::size_t line_of_node(const toml::node& node) {
  return static_cast<std::size_t>(node.source().begin.line);
}

}  // namespace

void ProblemList::add(std::size_t line, std::string message) {
  found_.push_back({line, std::move(message)});
}

std::vector<Problem> ProblemList::sorted() && {
  std::ranges::stable_sort(found_, {}, &Found::line);
  std::vector<Problem> problems;
  for (Found& found : found_) {
    problems.push_back({.where = found.line == 0 ? file_ : fmt::format("{}:{}", file_, found.line),
                        .message = std::move(found.message)});
  }
  return problems;
}

Section::Section(const toml::table* table, std::string name, std::size_t line,
                 ProblemList& problems)
    : table_(table), name_(std::move(name)), line_(line), problems_(problems) {}

const toml::node* Section::find(std::string_view key) {
  known_.emplace_back(key);
  return table_ == nullptr ? nullptr : table_->get(key);
}

std::string Section::full(std::string_view key) const {
  return name_.empty() ? std::string(key) : fmt::format("{}.{}", name_, key);
}

std::optional<std::string> Section::text(std::string_view key) {
  const toml::node* const node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto* const value = node->as_string();
  if (value == nullptr) {
    problem(key, "must be a text in quotes");
    return std::nullopt;
  }
  if (value->get().empty()) {
    problem(key, "must not be empty");
    return std::nullopt;
  }
  return value->get();
}

std::optional<std::int64_t> Section::number(std::string_view key, Range range) {
  const toml::node* const node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto* const value = node->as_integer();
  if (value == nullptr) {
    problem(key, "must be a whole number");
    return std::nullopt;
  }
  if (value->get() < range.min || value->get() > range.max) {
    problem(key, fmt::format("must be {} to {}, not {}", range.min, range.max, value->get()));
    return std::nullopt;
  }
  return value->get();
}

std::optional<bool> Section::flag(std::string_view key) {
  const toml::node* const node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto* const value = node->as_boolean();
  if (value == nullptr) {
    problem(key, "must be true or false");
    return std::nullopt;
  }
  return value->get();
}

std::optional<std::vector<std::string>> Section::texts(std::string_view key) {
  const toml::node* const node = find(key);
  if (node == nullptr) return std::nullopt;
  std::vector<std::string> texts;
  const toml::array* const list = node->as_array();
  bool good = list != nullptr;
  for (std::size_t i = 0; good && i < list->size(); ++i) {
    const auto* const text = list->get(i)->as_string();
    good = text != nullptr && !text->get().empty();
    if (good) texts.push_back(text->get());
  }
  if (!good) {
    problem(key, "must be a list of texts in quotes");
    return std::nullopt;
  }
  return texts;
}

const toml::table* Section::table(std::string_view key) {
  const toml::node* const node = find(key);
  if (node == nullptr) return nullptr;
  if (node->as_table() == nullptr) {
    problem(key, fmt::format("must be a table: [{}]", full(key)));
  }
  return node->as_table();
}

void Section::read(std::string_view key, std::string& into) {
  if (auto value = text(key)) into = std::move(*value);
}

std::optional<std::filesystem::path> Section::path(std::string_view key,
                                                   const std::filesystem::path& folder) {
  const auto value = text(key);
  if (!value) return std::nullopt;
  paths_.push_back(folder / *value);  // an absolute one stands for itself
  return paths_.back();
}

std::string Section::text_without(std::span<const std::string_view> keys) const {
  if (table_ == nullptr) return {};
  toml::table kept = *table_;
  for (const std::string_view key : keys) kept.erase(key);
  std::ostringstream text;
  text << kept;
  return std::move(text).str();
}

void Section::require(std::string_view key) {
  if (table_ != nullptr && table_->contains(key)) return;
  problems_.add(line_, fmt::format("[{}] lacks the key \"{}\"", name_, key));
}

void Section::refuse_others() {
  if (table_ == nullptr) return;
  for (const auto& [key, node] : *table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    std::string message = fmt::format("{} is not a known key", full(key.str()));
    const std::string_view meant = nearest(key.str(), known_);
    if (!meant.empty()) message += fmt::format("; did you mean \"{}\"?", meant);
    problems_.add(static_cast<std::size_t>(key.source().begin.line), std::move(message));
  }
}

void Section::problem(std::string_view key, std::string_view message) {
  problems_.add(line_of(key), fmt::format("{} {}", full(key), message));
}

std::size_t Section::line_of(std::string_view key) const {
  const toml::node* const node = table_ == nullptr ? nullptr : table_->get(key);
  return node == nullptr ? line_ : line_of_node(*node);
}

std::string_view nearest(std::string_view mistyped, std::span<const std::string> known) {
  std::string_view best;
  // A third of the word may differ: farther away it is another word.
  std::size_t best_distance = std::max<std::size_t>(2, mistyped.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(mistyped, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace carillon::config
