#include "relay/import/registration_batch.h"

#include <cstring>
#include <utility>
#include <variant>

namespace carillon::import {

void RegistrationBatch::reserve(std::size_t lines) {
  devices_.reserve(lines);
  numbers_.reserve(lines);
  ends_.reserve(lines);
}

void RegistrationBatch::add(std::uint64_t number, const store::DeviceRegistration& device) {
  store::DeviceRegistration& kept = devices_.emplace_back(device);
  kept.app = keep(device.app);
  kept.device = keep(device.device);
  kept.token = keep(device.token);
  kept.subscriber = keep(device.subscriber);
  kept.locale = keep(device.locale);
  kept.timezone = keep(device.timezone);
  kept.app_version = keep(device.app_version);
  kept.topics = kept.device_topics = {};
  kept.attributes = {};
  keep_all(device.topics);
  const auto position = [](const auto& list) { return static_cast<std::uint32_t>(list.size()); };
  const std::uint32_t topics_end = position(texts_);
  keep_all(device.device_topics);
  const std::uint32_t device_topics_end = position(texts_);
  for (const store::AttributeView& attribute : device.attributes) keep_attribute(attribute);
  bytes_ += device.attributes.size() * sizeof(store::AttributeView);
  ends_.push_back({.topics = topics_end,
                   .device_topics = device_topics_end,
                   .texts = position(texts_),
                   .attributes = position(attributes_)});
  numbers_.push_back(number);
}

void RegistrationBatch::keep_all(std::span<const std::string_view> texts) {
  for (const std::string_view text : texts) texts_.push_back(keep(text));
  bytes_ += texts.size_bytes();
}

void RegistrationBatch::keep_attribute(const store::AttributeView& attribute) {
  store::AttributeView& kept = attributes_.emplace_back(attribute);
  kept.name = keep(attribute.name);
  if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
    kept.value = keep(*text);
  } else if (const auto* list = std::get_if<std::span<const std::string_view>>(&attribute.value)) {
    keep_all(*list);
  }
}

void RegistrationBatch::add_bad(std::uint64_t number, std::string reason) {
  bytes_ += reason.size();
  bad_.push_back({.number = number, .reason = std::move(reason)});
}

void RegistrationBatch::clear() {
  devices_.clear();
  numbers_.clear();
  texts_.clear();
  attributes_.clear();
  ends_.clear();
  bad_.clear();
  block_ = used_ = bytes_ = 0;
}

void RegistrationBatch::seal() {
  const std::span<const std::string_view> texts(texts_);
  std::size_t text = 0;
  std::size_t attribute = 0;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    const Ends& ends = ends_[i];
    devices_[i].topics = texts.subspan(text, ends.topics - text);
    devices_[i].device_topics = texts.subspan(ends.topics, ends.device_topics - ends.topics);
    devices_[i].attributes = std::span(attributes_).subspan(attribute, ends.attributes - attribute);
    // Lists stand in the order of their attributes.
    for (text = ends.device_topics; attribute < ends.attributes; ++attribute) {
      auto* const list =
          std::get_if<std::span<const std::string_view>>(&attributes_[attribute].value);
      if (list == nullptr) continue;
      *list = texts.subspan(text, list->size());
      text += list->size();
    }
  }
}

std::string_view RegistrationBatch::keep(std::string_view text) {
  if (text.empty()) return {};
  if (blocks_.empty() || used_ + text.size() > kBlockBytes) {
    if (!blocks_.empty()) ++block_;
    if (block_ == blocks_.size()) blocks_.push_back(std::make_unique<char[]>(kBlockBytes));
    used_ = 0;
  }
  char* const at = blocks_[block_].get() + used_;
  std::memcpy(at, text.data(), text.size());
  used_ += text.size();
  bytes_ += text.size();
  return {at, text.size()};
}

}  // namespace carillon::import
