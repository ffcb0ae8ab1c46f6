// An audience in the store's terms: one tree over topics, traits, fields of a device and a list of
// positions. Made once for an event, a scan or a count; does not change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/sqlite/audience_tables.h"

namespace carillon::store::sqlite {

struct AudienceNode {
  enum class Kind : std::uint8_t {
    kNone,  // nobody: a topic or an attribute that nobody has
    kAnd,   // of: in the order in which they are asked, the rarest first
    kOr,
    kNot,     // of one
    kTopic,   // who hears it, and the devices that do themselves
    kNamed,   // the positions of AudienceExpression
    kTraits,  // compare with app version or attribute `id`
    kDevice   // compare with platform, locale, time zone
  };
  Kind kind = Kind::kNone;
  std::vector<AudienceNode> of;
  std::uint32_t id = 0;    // the topic's or the attribute name's
  std::size_t term = 0;    // kTopic, kDevice: which of its kind in the expression
  Condition compare;       // kTraits, kDevice: never kNotEqual
  std::uint64_t most = 0;  // subscribers that may satisfy it
};

struct AudienceExpression {
  std::uint32_t app = 0;  // 0: nobody knows the app, the audience is empty
  AudienceNode root;
  std::size_t topics = 0, fields = 0;     // terms
  std::vector<DevicePosition> positions;  // of names, ascending
  // Who satisfies it is of the app for sure: a topic, trait or name of the app's leads.
  bool leads = false;
  // Built of topics and names alone: all devices of most subscribers are in it, or none.
  bool of_topics = false;
};

// The audience's names are resolved now; those of devices and subscribers that are not there are
// nobody's.
AudienceExpression compile_audience(AudienceTables& tables, std::string_view app,
                                    const Audience& audience);
// The same with positions that were resolved before.
AudienceExpression compile_audience(AudienceTables& tables, std::string_view app,
                                    const Audience& audience,
                                    std::vector<DevicePosition> positions);
// All devices of the app that are not in it.
AudienceExpression complement(AudienceExpression expression);

}  // namespace carillon::store::sqlite
