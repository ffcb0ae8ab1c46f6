// An export over one private copy: `sub`, `hot` and `trait` side by side, each from front to back.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "storage/device_export.h"
#include "storage/sqlite/database.h"

namespace carillon::store::sqlite {

struct DeviceExportSource {
  std::string path;
  std::string folder;  // where the copy is made
  std::string app;     // empty: all
  Database::Access access = Database::Access::kReadOnly;
  std::chrono::milliseconds busy_wait{5000};
};

std::unique_ptr<DeviceExport> make_device_export(DeviceExportSource source);

}  // namespace carillon::store::sqlite
