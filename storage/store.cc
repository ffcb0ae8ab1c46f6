#include "storage/store.h"

#include <future>

namespace carillon::store {

Result<AcceptedEvent> Store::accept(const NewEvent& event) {
  std::promise<Result<AcceptedEvent>> promise;
  auto future = promise.get_future();
  accept(event, [&promise](Result<AcceptedEvent> result) { promise.set_value(std::move(result)); });
  return future.get();
}

}  // namespace carillon::store
