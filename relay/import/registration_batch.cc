#include "relay/import/registration_batch.h"

#include <cstring>
#include <utility>

namespace carillon::import {

void RegistrationBatch::add(std::uint64_t number, const store::DeviceRegistration& device) {
  store::DeviceRegistration& kept = devices_.emplace_back(device);
  kept.app = keep(device.app);
  kept.device = keep(device.device);
  kept.token = keep(device.token);
  kept.subscriber = keep(device.subscriber);
  kept.locale = keep(device.locale);
  kept.timezone = keep(device.timezone);
  kept.topics = {};
  for (const std::string_view topic : device.topics) topics_.push_back(keep(topic));
  bytes_ += device.topics.size() * sizeof(std::string_view);
  topics_end_.push_back(topics_.size());
  numbers_.push_back(number);
}

void RegistrationBatch::add_bad(std::uint64_t number, std::string reason) {
  bytes_ += reason.size();
  bad_.push_back({.number = number, .reason = std::move(reason)});
}

void RegistrationBatch::clear() {
  devices_.clear();
  numbers_.clear();
  topics_.clear();
  topics_end_.clear();
  bad_.clear();
  block_ = used_ = bytes_ = 0;
}

void RegistrationBatch::seal() {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    devices_[i].topics = std::span(topics_).subspan(begin, topics_end_[i] - begin);
    begin = topics_end_[i];
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
