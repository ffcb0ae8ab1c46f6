// What few lines bring: topics and attributes of the device itself, the version of its app. A bulk
// load carries them as one run of bytes to the place where lines take the ordinary way.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "storage/store.h"

namespace carillon::store::sqlite {

// Whether the line has any of it.
bool has_extras(const DeviceRegistration& line);
void append_extras(const DeviceRegistration& line, std::string& out);

// Where the views of lines that were read back point to.
struct ExtrasRoom {
  std::deque<std::vector<std::string_view>> lists;
  std::deque<std::vector<AttributeView>> attributes;
};
// Sets the line's fields from what append_extras wrote; they point into `bytes` and `room`.
void read_extras(std::string_view bytes, ExtrasRoom& room, DeviceRegistration& line);

}  // namespace carillon::store::sqlite
