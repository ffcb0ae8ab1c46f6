// Who an event is for, as the fields of a JSON body say it:
//   topic | topics[] | condition | subscribers[] | devices[]
// Any of them, together: every device that one of them names, once.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "relay/api/problem.h"
#include "storage/store.h"

namespace carillon::api {

// Reads the fields of one body, one after the other. Pure.
class AudienceForm {
 public:
  // False: it is no field of an audience, and nothing was done. Faults are appended to `errors`.
  bool read(std::string_view name, const nlohmann::json& value, std::vector<FieldError>& errors);
  // Once all fields are read: what only shows then.
  void check_whole(std::vector<FieldError>& errors) const;
  // Each topic once, in the order in which they were named.
  const store::Audience& audience() const { return audience_; }

 private:
  void read_topic(const nlohmann::json& value, const std::string& pointer,
                  std::vector<FieldError>& errors);
  void read_topics(const nlohmann::json& value, std::vector<FieldError>& errors);
  void read_condition(const nlohmann::json& value, std::vector<FieldError>& errors);
  static void read_names(const nlohmann::json& value, const std::string& pointer,
                         std::vector<std::string>& names, std::vector<FieldError>& errors);

  store::Audience audience_;
  bool named_ = false;
};

struct AudienceFault {
  Problem problem = Problem::kInvalidBody;  // or kInvalidJson
  std::vector<FieldError> errors;
};

// The body of POST /v1/apps/{app}/audience/count: an object with nothing but an audience. Pure.
tl::expected<store::Audience, AudienceFault> parse_audience(std::string_view body);

}  // namespace carillon::api
