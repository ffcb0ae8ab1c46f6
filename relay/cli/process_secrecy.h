// What a process that holds keys must not leave behind: core files, and its environment.
#pragma once

#include <optional>
#include <string>

namespace carillon::cli {

// Keys, access tokens and device tokens are in the memory of most commands. From now on the kernel
// writes no core file of this process, and only root can attach to it or read its memory
// (PR_SET_DUMPABLE, proc(5)).
void refuse_core_files();
// As the system has it otherwise: for who looks for a fault and keeps the file safe.
void allow_core_files();

// The value of a variable, nothing if it is not there or empty. Afterwards it is not there, and where
// it was (what /proc/PID/environ and a core file show) is overwritten. Before the first thread.
std::optional<std::string> take_from_environment(const char* name);

}  // namespace carillon::cli
