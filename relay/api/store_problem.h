// A store's error as an answer.
#pragma once

#include "relay/api/problem.h"
#include "storage/store.h"

namespace carillon::api {

// `missing` is what kNotFound means where it came up. What the store says of its files is for the
// log, not for clients.
Reply store_problem(const store::Error& error, Problem missing);

}  // namespace carillon::api
