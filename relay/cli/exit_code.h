// How a command ends, for scripts.
#pragma once

namespace carillon::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;   // it was tried and did not work; stderr says why
inline constexpr int kExitUsage = 2;     // the command line makes no sense; nothing was tried
inline constexpr int kExitBadLines = 3;  // import: done, but some lines were bad and left out

}  // namespace carillon::cli
