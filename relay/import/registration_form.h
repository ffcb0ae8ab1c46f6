// The form of what a device registers with: the rules that an import line and the HTTP API share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/condition.h"
#include "storage/store.h"

namespace carillon::import {

// APNs says that a token's length must not be assumed; 100 bytes, printed as hex, is the longest
// that its documentation shows.
inline constexpr std::size_t kApnsTokenCharsMax = 200;
inline constexpr std::size_t kApnsTokenCharsMin = 2;

// Each returns what is wrong, as the end of a sentence about the field ("must be …"), or an empty
// view if nothing is. The views are literals. Pure.

// Device and subscriber ids: 1..store::kNameBytesMax bytes without control characters. UTF-8 is the
// parser's to check.
std::string_view name_fault(std::string_view name);

// 1..64 of A-Z a-z 0-9 . _ -
std::string_view app_fault(std::string_view app);
inline constexpr std::size_t kAppBytesMax = 64;

// FCM's alphabet for topics, so that a topic can be handed to FCM as it is:
// https://firebase.google.com/docs/cloud-messaging/manage-topics. At most store::kNameBytesMax.
std::string_view topic_fault(std::string_view topic);

// A token is put into a URL's path (APNs) or into JSON without escaping (FCM): its alphabet is what
// keeps that safe. Web Push subscriptions have a form of their own (providers/webpush/
// subscription.h) and are always a fault here.
std::string_view token_fault(store::Platform platform, std::string_view token);

// BCP 47 by alphabet and length only ("de", "pt-BR", "zh_Hant"); empty is fine: not given.
std::string_view locale_fault(std::string_view locale);

// An IANA zone by alphabet and length only ("Europe/Berlin", "Etc/GMT+5"); empty is fine.
std::string_view timezone_fault(std::string_view timezone);

// An app's version: a digit, then A-Z a-z 0-9 . + _ - ("3.10.1", "4.0-beta.2+17"), at most
// store::kAppVersionBytesMax; empty is fine: not given.
std::string_view app_version_fault(std::string_view version);

// 1..store::kAttributeNameBytesMax bytes without control characters.
std::string_view attribute_name_fault(std::string_view name);
// An attribute's text, or a member of its list: at most store::kAttributeTextBytesMax bytes without
// control characters; empty is a text.
std::string_view attribute_text_fault(std::string_view text);

// When an app was last heard of, as it says: an hour ahead is a clock that runs fast, more than a
// day is a mistake, which would keep a device from ever being stale.
inline constexpr std::int64_t kLastSeenAheadMaxMs = 86'400'000;
std::string_view last_seen_fault(std::int64_t last_seen_ms, std::int64_t now_ms);

// "apns", "fcm" or "webpush".
std::optional<store::Platform> platform_named(std::string_view name);

}  // namespace carillon::import
