// Devices out of the store, as bytes for a file, a pipe or an HTTP answer: what `carillon export`
// and the HTTP export share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "relay/coding/compressor.h"
#include "relay/export/device_lines.h"
#include "relay/import/importer.h"
#include "storage/device_export.h"

namespace carillon::exporting {

// What is put together before it is handed on: its memory, whatever is exported.
inline constexpr std::size_t kPieceBytes = 256 * 1024;

// For one thread at a time, whichever.
class Exporter {
 public:
  struct Options {
    import::Format format = import::Format::kNdjson;
    coding::Coding coding = coding::Coding::kNone;
  };
  Exporter(std::unique_ptr<store::DeviceExport> devices, const Options& options);

  // Fixes the moment; see DeviceExport::begin. kInvalid: CSV cannot hold so many attributes.
  store::Result<void> begin(const store::CopyProgress& progress = {});
  // Appends what comes next, some kPieceBytes of lines or what they are compressed to, which may be
  // nothing yet. False: that was the last. After `begin`; not after an error.
  store::Result<bool> read(std::string& out);

  std::uint64_t devices() const { return devices_; }  // read so far
  double fraction() const { return source_->fraction(); }
  std::uint64_t without_device() const { return source_->without_device(); }

 private:
  std::unique_ptr<store::DeviceExport> source_;
  const Options options_;
  coding::Compressor compressor_;
  std::unique_ptr<DeviceLines> lines_;
  std::string piece_;
  std::uint64_t devices_ = 0;
};

}  // namespace carillon::exporting
