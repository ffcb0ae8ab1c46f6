#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace device_sim {

// Finds the header blocks in what a client sends (RFC 9113, section 4.1), and leaves everything
// else as it came. Knows frames only: what they mean is for whoever takes the pieces. One thread.
class HeaderFrames {
 public:
  // A block over it ends the connection: sixteen times what a head may have decoded.
  static constexpr std::size_t kBlockBytesMax = 64 * 1024;
  // SETTINGS_MAX_FRAME_SIZE as it stands when nobody has changed it.
  static constexpr std::size_t kFrameBytesMax = 16'384;

  enum class Kind : std::uint8_t {
    kOther,   // `bytes`: whole frames or parts of them, and the client's preface
    kBlock,   // `bytes`: a whole header block, of whatever frames
    kBroken,  // the connection cannot go on; `error` says why
  };
  struct Piece {
    Kind kind = Kind::kOther;
    std::string_view bytes;  // until the next call
    std::uint32_t stream = 0;
    bool ends_stream = false;
    std::uint32_t error = 0;  // of RFC 9113, section 7
  };

  // The next piece of `bytes`, which it shortens. An empty kOther: all was taken, more must come.
  Piece next(std::string_view& bytes);

 private:
  struct Frame {
    std::size_t length = 0;
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    std::uint32_t stream = 0;
  };
  static Frame frame_at(const char* bytes);
  bool is_gathered(const Frame& frame) const;
  std::size_t scan(std::string_view bytes);
  bool gather(std::string_view& bytes, std::string_view& whole);
  Piece take_frame(std::string_view whole);

  std::size_t pass_left_ = 24;  // of the frame, or the preface, that is being passed on
  std::string held_;            // a frame that has not come whole, or its first nine bytes
  std::string given_;           // what the latest piece shows, if it is not the caller's
  bool open_ = false;           // a block wants CONTINUATION
  std::uint32_t open_stream_ = 0;
  bool open_ends_stream_ = false;
  std::string block_;
};

}  // namespace device_sim
