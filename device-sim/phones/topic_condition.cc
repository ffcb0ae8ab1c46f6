#include "device-sim/phones/topic_condition.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace device_sim {
namespace {

static_assert((1U << kConditionTopicsMax) == 32, "a table of 32 bits holds every answer");

// The table of "hears topic i", whatever else is heard.
std::uint32_t table_of(std::size_t topic) {
  std::uint32_t table = 0;
  for (std::uint32_t heard = 0; heard < 32; ++heard) table |= (heard >> topic & 1) << heard;
  return table;
}

// or := and ("||" and)* ; and := unary ("&&" unary)* ; unary := "!" unary | "(" or ")" | topic
// topic := "'" name "'" "in" "topics". Each gives the table of its answers.
class ConditionParser {
 public:
  explicit ConditionParser(std::string_view text) : rest_(text) {}

  std::optional<std::uint32_t> parse() {
    const auto table = any_of();
    skip_spaces();
    if (table && !rest_.empty()) return fail("there is something after the condition");
    return table;
  }

  std::vector<std::string> topics;
  std::string error;

 private:
  std::optional<std::uint32_t> any_of() {
    auto table = all_of();
    while (table && take("||")) {
      const auto more = all_of();
      table = more ? std::optional(*table | *more) : std::nullopt;
    }
    return table;
  }

  std::optional<std::uint32_t> all_of() {
    auto table = unary();
    while (table && take("&&")) {
      const auto more = unary();
      table = more ? std::optional(*table & *more) : std::nullopt;
    }
    return table;
  }

  std::optional<std::uint32_t> unary() {
    if (depth_ == kConditionDepthMax) return fail("it is nested too deeply");
    ++depth_;
    const auto table = nested();
    --depth_;
    return table;
  }

  std::optional<std::uint32_t> nested() {
    if (take("!")) {
      const auto table = unary();
      return table ? std::optional(~*table) : std::nullopt;
    }
    if (!take("(")) return topic();
    const auto table = any_of();
    if (table && !take(")")) return fail("a ) is missing");
    return table;
  }

  std::optional<std::uint32_t> topic() {
    if (!take("'")) return fail("a topic in quotes is missing");
    const std::string_view name = rest_.substr(0, rest_.find('\''));
    rest_.remove_prefix(name.size());
    if (!is_topic_name(name) || !take("'")) return fail("a topic's name is malformed");
    if (!take("in") || !take("topics")) return fail("'in topics' is missing after a topic");
    auto known = std::ranges::find(topics, name);
    if (known == topics.end()) {
      if (topics.size() == kConditionTopicsMax) {
        return fail(fmt::format("it has more than {} topics", kConditionTopicsMax));
      }
      known = topics.emplace(topics.end(), name);
    }
    return table_of(static_cast<std::size_t>(known - topics.begin()));
  }

  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }
  bool take(std::string_view token) {
    skip_spaces();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  std::nullopt_t fail(std::string what) {
    if (error.empty()) error = std::move(what);
    return std::nullopt;
  }

  std::string_view rest_;
  std::size_t depth_ = 0;
};

}  // namespace

bool is_topic_name(std::string_view topic) {
  return !topic.empty() && std::ranges::all_of(topic, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.~%").find(c) != std::string_view::npos;
  });
}

TopicCondition TopicCondition::of_topic(std::string_view topic) {
  TopicCondition condition;
  condition.topics_.emplace_back(topic);
  condition.table_ = table_of(0);
  return condition;
}

tl::expected<TopicCondition, std::string> TopicCondition::parse(std::string_view text) {
  ConditionParser parser(text);
  const auto table = parser.parse();
  if (!table) return tl::unexpected(std::move(parser.error));
  TopicCondition condition;
  condition.topics_ = std::move(parser.topics);
  condition.table_ = *table;
  return condition;
}

}  // namespace device_sim
