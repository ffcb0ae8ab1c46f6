// libFuzzer's way in: one program, CARILLON_FUZZ_TARGET says which target it tries.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/target.h"

namespace {
const carillon::fuzz::Target* chosen = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("CARILLON_FUZZ_TARGET");
  for (const auto& target : carillon::fuzz::targets()) {
    if (name != nullptr && target.name == name) chosen = &target;
  }
  if (chosen != nullptr) return 0;
  std::fputs("fuzzer: CARILLON_FUZZ_TARGET must be one of:\n", stderr);
  for (const auto& target : carillon::fuzz::targets()) {
    std::fprintf(stderr, "  %s\n", std::string(target.name).c_str());
  }
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chosen->run({data, size});
  return 0;
}
