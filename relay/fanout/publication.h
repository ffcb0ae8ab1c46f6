// One event as it was published: checked in form, not yet stored.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "providers/notification.h"
#include "relay/fanout/localization.h"
#include "storage/store.h"

namespace carillon::fanout {

struct Publication {
  std::string app;
  store::Audience audience;
  // event_id and expires_at are set by the engine when it accepts the event.
  push::Notification notification;
  std::shared_ptr<const Localization> localization;  // null: one language
  std::chrono::seconds ttl{0};                       // 0: now or never
  std::string idempotency_key;                       // empty: none
  std::array<std::uint8_t, 32> body_digest{};        // SHA-256 of the request's body
};

// Why an event was not accepted. Nothing was stored.
struct Refusal {
  enum class Kind : std::uint8_t {
    kUnknownApp,           // no such app in the config
    kInvalid,              // in a way that only rendering shows; `fields` says what
    kIdempotencyMismatch,  // the key was used with another body
    kDraining,             // the relay is shutting down
    kBacklog,              // too many events wait for their providers: try again later
    kStoreFull,            // no space: try again when there is
    kStoreFailed,          // the store cannot now
  };
  struct Field {
    std::string pointer;  // RFC 6901 into the request's body
    std::string message;
  };
  Kind kind = Kind::kInvalid;
  std::string message;
  std::vector<Field> fields;
};

}  // namespace carillon::fanout
