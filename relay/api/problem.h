// Every error that the HTTP API answers with: one row each, told as RFC 9457 problem documents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "relay/api/reply.h"

namespace carillon::api {

enum class Problem : std::uint8_t {
  kMalformedRequest,
  kInvalidJson,
  kInvalidBody,
  kInvalidParameter,
  kUnauthenticated,
  kForbidden,
  kUnknownRoute,
  kUnknownApp,
  kUnknownEvent,
  kUnknownDevice,
  kUnknownTopic,
  kUnknownSubscriber,
  kUnknownChannel,
  kMethodNotAllowed,
  kRequestTimeout,
  kEventFinished,
  kEventNotCompleted,
  kEventExpired,
  kNoChannels,
  kOutcomesForgotten,
  kLengthRequired,
  kBodyTooLarge,
  kTargetTooLong,
  kUnsupportedMediaType,
  kExpectationFailed,
  kEventRefused,
  kIdempotencyMismatch,
  kRefusedByStore,
  kChannelRefused,
  kTooManyExports,
  kTooManySteered,
  kTooManyCounts,
  kHeadTooLarge,
  kInternal,
  kUnsupportedTransferCoding,
  kProviderRefused,
  kOverloaded,
  kDraining,
  kStoreUnavailable,
  kProviderUnavailable,
  kProviderUnanswered,
  kUnsupportedVersion,
  kStoreFull,
};

struct ProblemRow {
  Problem problem;
  std::string_view slug;  // the stable part of `type`
  int status;
  std::uint32_t retry_after_s;  // 0: no Retry-After
  std::string_view title;
};

inline constexpr std::string_view kProblemTypePrefix = "urn:carillon:problem:";

const ProblemRow& row_of(Problem problem);
std::span<const ProblemRow> problem_rows();  // in the order of the enum

// What is wrong with one field of a request.
struct FieldError {
  std::string pointer;  // RFC 6901 into the body; empty: the whole of it
  std::string detail;   // a sentence's end about the field: "must be a string"
  // Of the text at `pointer`: the character that it is about. 1 is the first.
  std::optional<std::size_t> character = std::nullopt;
  friend bool operator==(const FieldError&, const FieldError&) = default;
};

// Told at once; a hostile body has more.
inline constexpr std::size_t kFieldErrorsMax = 32;

// `detail` and `errors` reach the client: never a secret, a path or a store's own message.
// `next_line`: of an import that ended early, the line to go on from.
Reply problem_reply(Problem problem, std::string_view detail,
                    const std::vector<FieldError>& errors = {},
                    std::optional<std::uint64_t> next_line = std::nullopt);

}  // namespace carillon::api
