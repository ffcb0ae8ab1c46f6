#include "relay/import/push_origins.h"

namespace carillon::import {

const push::OriginList& push_origins_of(const PushOrigins& origins, std::string_view app) {
  static const push::OriginList kKnown =
      push::OriginList::parse(push::OriginList::known_services()).value();
  const auto found = origins.find(app);
  return found == origins.end() ? kKnown : found->second;
}

}  // namespace carillon::import
