// A condition's tree as text.
#pragma once

#include <string>

#include "storage/condition.h"

namespace carillon::audience {

// The canonical text: `parse_condition` makes the same tree of it, for every tree that it could
// have made. One space around what joins, single quotes, parentheses only where they matter. Pure.
std::string print_condition(const store::Condition& condition);

}  // namespace carillon::audience
