// A window into a packed store, for people: what `sqlite3` cannot read. Reads only, beside a relay
// too; what is damaged is told as that, and the rest is shown.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "storage/store.h"

namespace carillon::store {

struct Fact;
struct Fields {
  std::vector<Fact> of;  // each with a name
};
struct Items {
  std::vector<Fact> of;  // without names, all of one kind
};
// Names end with their unit (`_ms` since 1970, `_bytes`) where they have one.
struct Fact {
  using Value = std::variant<bool, std::uint64_t, double, std::string, Fields, Items>;
  std::string name;
  Value value;
};

struct Inspection {
  enum class What : std::uint8_t {
    kSummary,     // what the file has of everything; reads all of it
    kDevice,      // app, name
    kSubscriber,  // app, name
    kTopic,       // app, name
    kChunk        // table, key
  };
  What what = What::kSummary;
  std::string first, second;
  bool show_tokens = false;    // else their beginnings
  std::size_t items_max = 20;  // members of a topic that are listed
};

// The tables that a chunk may be asked of.
inline constexpr const char* kInspectedTables[] = {"sub",     "hot", "mem",      "devmem", "trait",
                                                   "unusual", "hx",  "hx_young", "hx_new"};

// A chunk's key is a number, or two with a colon: subscriber:ordinal for `hot` and `trait`,
// topic:subscriber for `mem` and `devmem`, kind:hash for `hx` and its like, group:subscriber for
// `unusual`; the chunk is shown that has it or would have it. kNotFound: nothing has that name.
// kInvalid: no such table, no such key. Tables are read one after the other, each as it is at one
// moment.
Result<Fields> inspect_sqlite_store(const std::string& path, const Inspection& inspection);

}  // namespace carillon::store
