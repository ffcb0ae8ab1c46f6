#pragma once

#include <string>
#include <string_view>

namespace device_sim {

// HPACK's Huffman code (RFC 7541, section 5.2 and appendix B): appends what `coded` stands for.
// False: it is malformed, and `out` has some of it.
bool append_huffman(std::string_view coded, std::string& out);

}  // namespace device_sim
