#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace device_sim {

struct ListenPlan {
  std::size_t count = 0;
  std::string topic;
  std::string app = "video";
  std::string control_url;  // http://host:port
  std::string relay_url;
  std::string api_key;
  std::optional<std::chrono::seconds> duration;
  std::optional<std::size_t> events;  // until each phone has shown so many
};

// A handful of phones in the terminal: made by a running simulator, enrolled with the relay over
// its public API, and followed in their inboxes. One thread.
class PhoneListener {
 public:
  using Print = std::function<void(const std::string& line)>;

  PhoneListener(ListenPlan plan, Print print);
  ~PhoneListener();

  // Errors are one sentence.
  tl::expected<void, std::string> enrol();
  // Until the plan is fulfilled or `stop` is set; false when the time ran out before the events
  // did.
  tl::expected<bool, std::string> follow(const std::atomic<bool>& stop);
  // A line for each phone.
  void print_summary() const;

 private:
  struct Phone {
    std::string device;
    std::string platform;
    std::string label;  // "phone 1 (iPhone)"
    std::size_t received = 0;
    std::set<std::string> shown;  // events
  };
  class Endpoints;

  tl::expected<void, std::string> create_phones();
  tl::expected<void, std::string> enrol_phone(const nlohmann::json& created);
  tl::expected<void, std::string> take_messages();
  void show(const nlohmann::json& message);
  bool has_shown_all() const;

  ListenPlan plan_;
  Print print_;
  std::unique_ptr<Endpoints> endpoints_;
  std::vector<Phone> phones_;
  std::uint64_t last_sequence_ = 0;
};

// `text` without what could steer a terminal: control characters become spaces.
std::string printable(std::string_view text);

}  // namespace device_sim
