#include "storage/sqlite/audience_matcher.h"

#include <algorithm>

#include "storage/sqlite/platform_name.h"
#include "storage/sqlite/traits.h"

namespace carillon::store::sqlite {

const Subscriber* SubscriberCursor::at(std::uint32_t id) {
  if (decoded_ == id) return &subscriber_;
  for (std::uint32_t steps = 0; rows_ && row_ < id && steps < kStepsPerSeek; ++steps) {
    if (!rows_->next()) return nullptr;
    row_ = rows_->natural(0);
  }
  if (!rows_ || row_ < id) {
    rows_.reset();
    rows_.emplace(from_.rows(id));
    if (!rows_->next()) {
      row_ = kSubscriberIdMax + std::uint64_t{1};
      return nullptr;
    }
    row_ = rows_->natural(0);
  }
  if (row_ != id) return nullptr;
  decode_subscriber(rows_->bytes(1), subscriber_);
  decoded_ = id;
  return &subscriber_;
}

AudienceMatcher::AudienceMatcher(Database& database, AudienceTables& tables)
    : database_(database),
      tables_(tables),
      leading_traits_(database),
      traits_(database),
      subscribers_(database),
      apps_(database, "SELECT count(*) FROM app") {}

void AudienceMatcher::start(const AudienceExpression& expression) {
  close();
  expression_ = &expression;
  while (topics_.size() < expression.topics) {
    topics_.push_back(std::make_unique<TopicTerm>(database_));
  }
  fields_.resize(expression.fields);
  {
    Cursor row = apps_.rows();
    one_app_ = row.next() && row.integer(0) == 1;
  }
  start(expression.root);
}

void AudienceMatcher::start(const AudienceNode& node) {
  if (node.kind == AudienceNode::Kind::kTopic) {
    TopicTerm& term = *topics_[node.term];
    term.members.start(term.member_chunks, node.id);
    term.devices.start(term.device_chunks, node.id);
  } else if (node.kind == AudienceNode::Kind::kDevice) {
    FieldTerm& term = fields_[node.term];
    const auto& with = std::get<std::string>(node.compare.value);
    term.with = node.compare.field == Condition::Field::kLocale ? lower_case(with) : with;
    term.by_text.clear();
  }
  for (const AudienceNode& part : node.of) start(part);
}

void AudienceMatcher::close() {
  for (const auto& term : topics_) {
    term->member_chunks.close();
    term->device_chunks.close();
  }
  leading_traits_.restart();
  traits_.restart();
  subscribers_.restart();
  expression_ = nullptr;
}

std::optional<std::uint32_t> AudienceMatcher::next(std::uint32_t from) {
  const std::uint32_t found = next(expression_->root, from);
  if (found == kNobody) return std::nullopt;
  return found;
}

std::uint32_t AudienceMatcher::next(const AudienceNode& node, std::uint32_t from) {
  switch (node.kind) {
    case AudienceNode::Kind::kNone:
      return kNobody;
    case AudienceNode::Kind::kAnd:
      // The rarest alone: the others are then sought where it is.
      return next(node.of.front(), from);
    case AudienceNode::Kind::kOr: {
      std::uint32_t first = kNobody;
      for (const AudienceNode& part : node.of) first = std::min(first, next(part, from));
      return first;
    }
    case AudienceNode::Kind::kTopic: {
      TopicTerm& term = *topics_[node.term];
      const Member* member = term.members.to(from);
      const std::uint32_t whole = member ? member->subscriber : kNobody;
      member = term.devices.to(from);
      return std::min(whole, member ? member->subscriber : kNobody);
    }
    case AudienceNode::Kind::kNamed: {
      const auto& positions = expression_->positions;
      const auto at = std::lower_bound(positions.begin(), positions.end(), position_of(from, 0));
      return at == positions.end() ? kNobody : subscriber_of(*at);
    }
    case AudienceNode::Kind::kTraits: {
      const TraitsAt* device = leading_traits_.to(position_of(from, 0));
      return device ? subscriber_of(device->key) : kNobody;
    }
    case AudienceNode::Kind::kNot:
    case AudienceNode::Kind::kDevice:
      break;
  }
  return from;
}

void AudienceMatcher::evaluate(std::uint32_t base, const SubscriberBits& candidates,
                               SubscriberBits& sure, SubscriberBits& maybe) {
  base_ = base;
  candidates_ = &candidates;
  with_traits_read_ = false;
  evaluate(expression_->root, candidates, true, sure, maybe);
}

// What a part says holds for its candidates only. So a subscriber for whom an earlier part has
// decided may be missing in the terms of a later one: `matches` asks in the same order and stops at
// the same part.
void AudienceMatcher::evaluate(const AudienceNode& node, const SubscriberBits& candidates,
                               bool leading, SubscriberBits& sure, SubscriberBits& maybe) {
  switch (node.kind) {
    case AudienceNode::Kind::kNone:
      sure.clear();
      maybe.clear();
      return;
    case AudienceNode::Kind::kAnd: {
      sure = maybe = candidates;
      SubscriberBits part_sure, part_maybe;
      for (const AudienceNode& part : node.of) {
        evaluate(part, maybe, leading, part_sure, part_maybe);
        leading = false;
        sure &= part_sure;
        maybe = part_maybe;
        if (maybe.none()) break;
      }
      sure &= maybe;
      return;
    }
    case AudienceNode::Kind::kOr: {
      sure.clear();
      maybe.clear();
      SubscriberBits left = candidates, part_sure, part_maybe;
      for (const AudienceNode& part : node.of) {
        evaluate(part, left, leading, part_sure, part_maybe);
        sure |= part_sure;
        maybe |= part_maybe;
        left.remove(part_sure);
      }
      return;
    }
    case AudienceNode::Kind::kNot: {
      SubscriberBits part_sure, part_maybe;
      evaluate(node.of.front(), candidates, leading, part_sure, part_maybe);
      sure = maybe = candidates;
      sure.remove(part_maybe);
      maybe.remove(part_sure);
      return;
    }
    case AudienceNode::Kind::kTopic:
      return evaluate_topic(node, candidates, sure, maybe);
    case AudienceNode::Kind::kNamed: {
      sure.clear();
      maybe.clear();
      const auto& positions = expression_->positions;
      const DevicePosition end =
          position_of(base_, 0) + (std::uint64_t{kWindowSubscribers} << kOrdinalBits);
      for (auto at = std::lower_bound(positions.begin(), positions.end(), position_of(base_, 0));
           at != positions.end() && *at < end; ++at) {
        maybe.set(subscriber_of(*at) - base_);
      }
      maybe &= candidates;
      return;
    }
    case AudienceNode::Kind::kTraits:
      sure.clear();
      if (!leading) {
        maybe = candidates;
        return;
      }
      maybe = with_traits();
      maybe &= candidates;
      return;
    case AudienceNode::Kind::kDevice:
      sure.clear();
      maybe = candidates;
      return;
  }
}

// Of the window's candidates; read once, whatever part asks first.
const SubscriberBits& AudienceMatcher::with_traits() {
  if (with_traits_read_) return with_traits_;
  with_traits_read_ = true;
  with_traits_.clear();
  for (std::uint32_t i = candidates_->next(0); i < kWindowSubscribers;
       i = candidates_->next(i + 1)) {
    const TraitsAt* device = leading_traits_.to(position_of(base_ + i, 0));
    if (!device || subscriber_of(device->key) - base_ >= kWindowSubscribers) break;
    i = subscriber_of(device->key) - base_;
    with_traits_.set(i);
  }
  return with_traits_;
}

void AudienceMatcher::evaluate_topic(const AudienceNode& node, const SubscriberBits& candidates,
                                     SubscriberBits& sure, SubscriberBits& maybe) {
  TopicTerm& term = *topics_[node.term];
  term.whole.clear();
  term.positions.clear();
  term.position = 0;
  term.members.each(base_, candidates,
                    [&](const Member& member) { term.whole.set(member.subscriber - base_); });
  sure = maybe = term.whole;
  term.devices.each(base_, candidates, [&](const Member& member) {
    term.positions.push_back(position_of(member.subscriber, member.ordinal));
    maybe.set(member.subscriber - base_);
  });
  sure &= candidates;
  maybe &= candidates;
}

bool AudienceMatcher::matches(const HotDevice& device) {
  return matches(expression_->root, device);
}

bool AudienceMatcher::matches(const AudienceNode& node, const HotDevice& device) {
  switch (node.kind) {
    case AudienceNode::Kind::kNone:
      return false;
    case AudienceNode::Kind::kAnd:
      return std::all_of(node.of.begin(), node.of.end(),
                         [&](const AudienceNode& part) { return matches(part, device); });
    case AudienceNode::Kind::kOr:
      return std::any_of(node.of.begin(), node.of.end(),
                         [&](const AudienceNode& part) { return matches(part, device); });
    case AudienceNode::Kind::kNot:
      return !matches(node.of.front(), device);
    case AudienceNode::Kind::kTopic:
      return hears(*topics_[node.term], device.key);
    case AudienceNode::Kind::kNamed:
      return std::binary_search(expression_->positions.begin(), expression_->positions.end(),
                                device.key);
    case AudienceNode::Kind::kTraits: {
      const TraitsAt* at = traits_.to(device.key);
      return at && at->key == device.key &&
             traits_satisfy(at->traits, expression_->app, node.compare, node.id);
    }
    case AudienceNode::Kind::kDevice:
      return field_matches(node, device);
  }
  return false;
}

bool AudienceMatcher::hears(TopicTerm& term, DevicePosition position) {
  if (term.whole.test(subscriber_of(position) - base_)) return true;
  while (term.position < term.positions.size() && term.positions[term.position] < position) {
    ++term.position;
  }
  return term.position < term.positions.size() && term.positions[term.position] == position;
}

bool AudienceMatcher::field_matches(const AudienceNode& node, const HotDevice& device) {
  FieldTerm& term = fields_[node.term];
  std::uint32_t text = device.locale;
  if (node.compare.field == Condition::Field::kPlatform) {
    return platform_named(term.with) == device.platform;
  }
  if (node.compare.field == Condition::Field::kTimezone) {
    const Subscriber* subscriber = subscribers_.at(subscriber_of(device.key));
    const auto* known = subscriber ? subscriber->device_at(ordinal_of(device.key)) : nullptr;
    if (!known) fail_corrupt("a device without its subscriber");
    text = known->timezone;
  }
  if (text == 0) return false;
  const auto [at, added] = term.by_text.try_emplace(text, false);
  if (added) {
    std::string value = tables_.text(text);
    if (node.compare.field == Condition::Field::kLocale) value = lower_case(value);
    at->second = text_satisfies(value, node.compare.compare, term.with);
  }
  return at->second;
}

bool AudienceMatcher::of_app(std::uint32_t subscriber) {
  if (one_app_) return true;
  const Subscriber* row = subscribers_.at(subscriber);
  if (!row) fail_corrupt("a device without its subscriber");
  return row->app == expression_->app;
}

}  // namespace carillon::store::sqlite
