#include "relay/export/exporter.h"

#include <utility>

namespace carillon::exporting {

Exporter::Exporter(std::unique_ptr<store::DeviceExport> devices, const Options& options)
    : source_(std::move(devices)), options_(options), compressor_(options.coding) {}

store::Result<void> Exporter::begin(const store::CopyProgress& progress) {
  if (auto begun = source_->begin(progress); !begun) return begun;
  auto names = source_->attribute_names();
  if (!names) return tl::unexpected(std::move(names.error()));
  auto lines = make_device_lines(options_.format, *std::move(names));
  if (!lines) {
    return tl::unexpected(
        store::Error{.kind = store::Error::Kind::kInvalid, .message = std::move(lines.error())});
  }
  lines_ = *std::move(lines);
  piece_.reserve(kPieceBytes + import::kLineBytesMax);
  lines_->append_header(piece_);
  return {};
}

store::Result<bool> Exporter::read(std::string& out) {
  bool more = true;
  while (more && piece_.size() < kPieceBytes) {
    auto next = source_->next();
    if (!next) return tl::unexpected(std::move(next.error()));
    more = *next != nullptr;
    if (!more) break;
    lines_->append(**next, piece_);
    ++devices_;
  }
  compressor_.add(piece_, out);
  piece_.clear();
  if (!more) compressor_.finish(out);
  return more;
}

}  // namespace carillon::exporting
