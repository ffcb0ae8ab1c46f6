#include "relay/api/store_problem.h"

#include <spdlog/spdlog.h>

namespace carillon::api {

Reply store_problem(const store::Error& error, Problem missing) {
  switch (error.kind) {
    case store::Error::Kind::kNotFound:
      return problem_reply(missing, "");
    case store::Error::Kind::kInvalid:
      return problem_reply(Problem::kRefusedByStore, error.message);
    case store::Error::Kind::kMismatch:
      return problem_reply(Problem::kIdempotencyMismatch, "");
    case store::Error::Kind::kFull:
      spdlog::error("the store is full: {}", error.message);
      return problem_reply(Problem::kStoreFull,
                           "nothing was stored; try again when there is space");
    case store::Error::Kind::kBusy:
    case store::Error::Kind::kNewerVersion:
    case store::Error::Kind::kCorrupt:
    case store::Error::Kind::kIo:
      break;
  }
  spdlog::error("the store failed: {}", error.message);
  return problem_reply(Problem::kStoreUnavailable, "nothing was stored; the relay's log says why");
}

}  // namespace carillon::api
