#include "relay/api/strict_json.h"

#include <utility>
#include <vector>

namespace carillon::api {
namespace {

using ParsedJson = nlohmann::json;

// Builds the value while it watches for what the library would take silently: the last of two equal
// names, and any depth.
class StrictBuilder : public nlohmann::json_sax<ParsedJson> {
 public:
  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not in JSON text

  bool start_object(std::size_t) override { return open(ParsedJson::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(ParsedJson::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    ParsedJson& object = *open_.back();
    if (object.contains(name)) {
      return refuse(pointer() + "/" + pointer_token(name), "comes twice in the same object");
    }
    names_.back() = name;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& what) override {
    fault.well_formed = false;
    // 115 and 101 are syntax, 105 and the like do not come up here; out_of_range.406 is a number.
    fault.error.detail = what.id == 406 ? "has a number that is out of range"
                                        : "is not JSON: the mistake is at or before byte " +
                                              std::to_string(position);
    return false;
  }

  ParsedJson root;
  JsonFault fault;

 private:
  ParsedJson* attach(ParsedJson value) {
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    ParsedJson& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    ParsedJson& member = parent[names_.back()];
    member = std::move(value);
    return &member;
  }

  bool put(ParsedJson value) {
    attach(std::move(value));
    return true;
  }

  bool open(ParsedJson container) {
    if (open_.size() == kJsonDepthMax) {
      return refuse(pointer(),
                    "is nested deeper than " + std::to_string(kJsonDepthMax) + " levels");
    }
    // A parent's children may move when it grows, but not while one of them is still open.
    open_.push_back(attach(std::move(container)));
    names_.emplace_back();
    return true;
  }

  bool close() {
    open_.pop_back();
    names_.pop_back();
    return true;
  }

  bool refuse(std::string where, std::string detail) {
    fault.well_formed = true;
    fault.error = {std::move(where), std::move(detail)};
    return false;
  }

  // Of the innermost open container.
  std::string pointer() const {
    std::string out;
    for (std::size_t i = 0; i + 1 < open_.size(); ++i) {
      out += "/";
      out += open_[i]->is_array() ? std::to_string(open_[i]->size() - 1) : pointer_token(names_[i]);
    }
    return out;
  }

  std::vector<ParsedJson*> open_;
  std::vector<std::string> names_;  // the current member of each open object
};

}  // namespace

std::string pointer_token(std::string_view token) {
  std::string out;
  for (const char c : token) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string_view json_type_name(const ParsedJson& value) {
  switch (value.type()) {
    case ParsedJson::value_t::null:
      return "null";
    case ParsedJson::value_t::object:
      return "an object";
    case ParsedJson::value_t::array:
      return "an array";
    case ParsedJson::value_t::string:
      return "a string";
    case ParsedJson::value_t::boolean:
      return "a boolean";
    default:
      return "a number";
  }
}

tl::expected<ParsedJson, JsonFault> parse_strict_json(std::string_view text) {
  StrictBuilder builder;
  if (!ParsedJson::sax_parse(text.begin(), text.end(), &builder)) {
    return tl::unexpected(std::move(builder.fault));
  }
  return std::move(builder.root);
}

}  // namespace carillon::api
