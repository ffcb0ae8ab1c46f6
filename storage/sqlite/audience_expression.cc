#include "storage/sqlite/audience_expression.h"

#include <algorithm>
#include <limits>

namespace carillon::store::sqlite {
namespace {

using Node = AudienceNode;
constexpr std::uint64_t kEverybody = std::numeric_limits<std::uint64_t>::max();

// Whether who makes the node come out as `truth` is of the app for sure.
bool leads(const Node& node, bool truth) {
  const auto is_led = [&](const Node& part) { return leads(part, truth); };
  switch (node.kind) {
    case Node::Kind::kAnd:
      return truth ? std::any_of(node.of.begin(), node.of.end(), is_led)
                   : std::all_of(node.of.begin(), node.of.end(), is_led);
    case Node::Kind::kOr:
      return truth ? std::all_of(node.of.begin(), node.of.end(), is_led)
                   : std::any_of(node.of.begin(), node.of.end(), is_led);
    case Node::Kind::kNot:
      return leads(node.of.front(), !truth);
    case Node::Kind::kDevice:
      return false;
    default:
      return truth;
  }
}

bool is_of_topics(const Node& node) {
  return node.kind != Node::Kind::kTraits && node.kind != Node::Kind::kDevice &&
         std::all_of(node.of.begin(), node.of.end(), is_of_topics);
}

// What is rare comes first where all must hold, so that the others are asked for few; what only a
// device's own row tells comes last.
Node ordered(Node node) {
  const bool all = node.kind == Node::Kind::kAnd;
  std::stable_sort(node.of.begin(), node.of.end(), [](const Node& a, const Node& b) {
    const bool a_leads = leads(a, true), b_leads = leads(b, true);
    return a_leads != b_leads ? a_leads : a.most < b.most;
  });
  node.most = all ? kEverybody : 0;
  for (const Node& part : node.of) {
    if (all) {
      node.most = std::min(node.most, part.most);
    } else {
      node.most = part.most > kEverybody - node.most ? kEverybody : node.most + part.most;
    }
  }
  return node;
}

// Only leaves are negated in the end: so that whatever can lead does.
Node negated(Node node) {
  switch (node.kind) {
    case Node::Kind::kNot: {
      Node inner = std::move(node.of.front());
      return inner;
    }
    case Node::Kind::kAnd:
    case Node::Kind::kOr:
      node.kind = node.kind == Node::Kind::kAnd ? Node::Kind::kOr : Node::Kind::kAnd;
      for (Node& part : node.of) part = negated(std::move(part));
      return ordered(std::move(node));
    default:
      break;
  }
  Node out;
  out.kind = Node::Kind::kNot;
  out.most = kEverybody;
  out.of.push_back(std::move(node));
  return out;
}

class Compiler {
 public:
  Compiler(AudienceTables& tables, AudienceExpression& out) : tables_(tables), out_(out) {}

  Node topic(const std::string& name) {
    Node node;
    const auto topic = tables_.topic(out_.app, name);
    if (!topic) return node;
    node.kind = Node::Kind::kTopic;
    node.id = topic->id;
    node.term = out_.topics++;
    node.most = topic->subscribers;
    return node;
  }

  Node condition(const Condition& condition) {
    switch (condition.kind) {
      case Condition::Kind::kInTopic:
        return topic(condition.topic);
      case Condition::Kind::kCompare:
        return compare(condition);
      case Condition::Kind::kNot:
        return negated(this->condition(condition.of.front()));
      case Condition::Kind::kAnd:
      case Condition::Kind::kOr:
        break;
    }
    Node node;
    node.kind = condition.kind == Condition::Kind::kAnd ? Node::Kind::kAnd : Node::Kind::kOr;
    for (const Condition& part : condition.of) node.of.push_back(this->condition(part));
    return ordered(std::move(node));
  }

 private:
  Node compare(const Condition& condition) {
    Node node;
    node.compare = condition;
    const bool differs = condition.compare == Condition::Compare::kNotEqual;
    if (differs) node.compare.compare = Condition::Compare::kEqual;
    node.kind = Node::Kind::kDevice;
    node.most = kEverybody;
    switch (condition.field) {
      case Condition::Field::kAttribute:
        if (const auto id = tables_.attribute(out_.app, condition.attribute)) {
          node.kind = Node::Kind::kTraits;
          node.id = *id;
          node.most = kEverybody - 1;
        } else {
          node = {};
        }
        break;
      case Condition::Field::kAppVersion:
        node.kind = Node::Kind::kTraits;
        node.most = kEverybody - 1;
        break;
      case Condition::Field::kPlatform:
      case Condition::Field::kLocale:
      case Condition::Field::kTimezone:
        node.term = out_.fields++;
        break;
    }
    return differs ? negated(std::move(node)) : node;
  }

  AudienceTables& tables_;
  AudienceExpression& out_;
};

}  // namespace

AudienceExpression compile_audience(AudienceTables& tables, std::string_view app,
                                    const Audience& audience,
                                    std::vector<DevicePosition> positions) {
  AudienceExpression out;
  out.app = tables.app(app).value_or(0);
  out.positions = std::move(positions);
  Compiler compiler(tables, out);
  Node root;
  root.kind = Node::Kind::kOr;
  if (out.app != 0) {
    for (const std::string& topic : audience.topics) root.of.push_back(compiler.topic(topic));
    if (audience.condition) root.of.push_back(compiler.condition(*audience.condition));
    if (!out.positions.empty()) {
      Node named;
      named.kind = Node::Kind::kNamed;
      named.most = out.positions.size();
      root.of.push_back(std::move(named));
    }
  }
  if (root.of.size() == 1) {
    Node only = std::move(root.of.front());
    root = std::move(only);
  } else {
    root = ordered(std::move(root));
  }
  out.root = std::move(root);
  out.leads = leads(out.root, true);
  out.of_topics = is_of_topics(out.root);
  return out;
}

AudienceExpression compile_audience(AudienceTables& tables, std::string_view app,
                                    const Audience& audience) {
  std::vector<DevicePosition> positions;
  if (const auto id = tables.app(app)) tables.resolve(*id, audience, positions);
  return compile_audience(tables, app, audience, std::move(positions));
}

AudienceExpression complement(AudienceExpression expression) {
  expression.root = negated(std::move(expression.root));
  expression.leads = leads(expression.root, true);
  return expression;
}

}  // namespace carillon::store::sqlite
