// Data in, compressed bytes out.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "relay/coding/coding.h"

namespace carillon::coding {

// For one thread.
class Compressor {
 public:
  explicit Compressor(Coding coding);
  ~Compressor();

  // Appends to `out` what is ready; both formats hold some back.
  void add(std::string_view data, std::string& out);
  // Appends the rest. Once; nothing is added after it.
  void finish(std::string& out);

 private:
  class Stream;
  class Gzip;
  class Zstd;
  std::unique_ptr<Stream> stream_;  // null: as it is
};

}  // namespace carillon::coding
