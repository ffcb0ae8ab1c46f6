#include "device-sim/config/serve_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace device_sim {
namespace {

constexpr std::size_t kAppleIdLength = 10;  // of key and team ids
constexpr std::uint32_t kStreamsMax = 100'000;
constexpr std::size_t kEventsMax = 1'000'000;
constexpr std::size_t kJournalMibMax = 1'000'000;

std::optional<std::string> read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return std::nullopt;
  return text.str();
}

// Reads one file and gathers what is wrong with it.
class ConfigReader {
 public:
  ConfigReader(std::string path, std::vector<std::string>& problems)
      : path_(std::move(path)), problems_(problems) {}

  void problem(const toml::node* at, const std::string& sentence) {
    const auto line = at == nullptr ? 0 : at->source().begin.line;
    problems_.push_back(line == 0 ? fmt::format("{}: {}", path_, sentence)
                                  : fmt::format("{}:{}: {}", path_, line, sentence));
  }

  // The table of that name, empty if it is absent.
  const toml::table& table(const toml::table& parent, const std::string& name) {
    static const toml::table kNone;
    const toml::node* node = parent.get(name);
    if (node == nullptr) return kNone;
    if (const toml::table* found = node->as_table()) return *found;
    problem(node, fmt::format("{} must be a table: [{}]", name, name));
    return kNone;
  }

  void only(const toml::table& table, const std::string& where, std::set<std::string_view> known) {
    for (const auto& [key, node] : table) {
      if (known.contains(key.str())) continue;
      problem(&node, fmt::format("unknown key '{}'{}; known are {}", key.str(),
                                 where.empty() ? "" : fmt::format(" in [{}]", where),
                                 fmt::join(known, ", ")));
    }
  }

  std::optional<std::string> text(const toml::table& table, const char* key) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return std::nullopt;
    if (const auto* value = node->as_string()) {
      if (!value->get().empty()) return value->get();
    }
    problem(node, fmt::format("{} must be a string that is not empty", key));
    return std::nullopt;
  }

  template <typename Number>
  void whole(const toml::table& table, const char* key, Number& value, std::uint64_t min,
             std::uint64_t max) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const auto* found = node->as_integer();
    if (found == nullptr || found->get() < 0 || static_cast<std::uint64_t>(found->get()) < min ||
        static_cast<std::uint64_t>(found->get()) > max) {
      problem(node, fmt::format("{} must be a whole number from {} to {}", key, min, max));
      return;
    }
    value = static_cast<Number>(found->get());
  }

  void flag(const toml::table& table, const char* key, bool& value) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    if (const auto* found = node->as_boolean()) {
      value = found->get();
    } else {
      problem(node, fmt::format("{} must be true or false", key));
    }
  }

  void address(const toml::table& table, ListenAddress& value) {
    const auto found = text(table, "listen");
    if (!found) return;
    if (const auto parsed = ListenAddress::parse(*found)) {
      value = *parsed;
    } else {
      problem(table.get("listen"), parsed.error());
    }
  }

  // The content of a file that the config names, by a path relative to the config.
  std::optional<std::string> file(const toml::table& table, const char* key) {
    const auto name = text(table, key);
    if (!name) return std::nullopt;
    const std::filesystem::path path = std::filesystem::path(path_).parent_path() / *name;
    auto content = read_text(path);
    if (!content) {
      problem(table.get(key), fmt::format("{} '{}' cannot be read; check the path and its rights",
                                          key, path.string()));
    }
    return content;
  }

  std::optional<PublicKey> public_key(const toml::table& table, PublicKey::Kind kind) {
    const auto pem = file(table, "public_key");
    if (!pem) return std::nullopt;
    auto key = PublicKey::from_pem(*pem, kind);
    if (key) return std::move(*key);
    problem(table.get("public_key"), "public_key " + key.error());
    return std::nullopt;
  }

  void require(const toml::table& table, const std::string& where, const char* key) {
    if (table.get(key) == nullptr) {
      problem(&table, fmt::format("[{}] needs {}", where, key));
    }
  }

 private:
  std::string path_;
  std::vector<std::string>& problems_;
};

void read_tls(ConfigReader& reader, const toml::table& table, SimulatorOptions& options) {
  reader.only(table, "tls", {"certificate", "key"});
  reader.require(table, "tls", "certificate");
  reader.require(table, "tls", "key");
  options.certificate_pem = reader.file(table, "certificate").value_or("");
  options.private_key_pem = reader.file(table, "key").value_or("");
}

void read_apns_key(ConfigReader& reader, const toml::table& table, SimulatorOptions& options) {
  const std::string where = "apns.keys";
  reader.only(table, where, {"key_id", "team_id", "public_key"});
  for (const char* key : {"key_id", "team_id", "public_key"}) reader.require(table, where, key);
  const auto key_id = reader.text(table, "key_id");
  const auto team_id = reader.text(table, "team_id");
  for (const char* key : {"key_id", "team_id"}) {
    const auto value = table.get_as<std::string>(key);
    if (value != nullptr && !value->get().empty() && value->get().size() != kAppleIdLength) {
      reader.problem(value, fmt::format("{} must have {} characters", key, kAppleIdLength));
    }
  }
  auto public_key = reader.public_key(table, PublicKey::Kind::kEcP256);
  if (key_id && team_id && public_key) {
    options.apns.keys.push_back({*key_id, *team_id, std::move(*public_key)});
  }
}

void read_apns(ConfigReader& reader, const toml::table& table, SimulatorOptions& options) {
  reader.only(table, "apns",
              {"listen", "topics", "keys", "max_concurrent_streams", "client_ca",
               "one_stream_until_authenticated"});
  options.apns_client_ca_pem = reader.file(table, "client_ca").value_or("");
  reader.flag(table, "one_stream_until_authenticated", options.apns_limits.one_until_authenticated);
  reader.address(table, options.apns_listen);
  reader.whole(table, "max_concurrent_streams", options.apns_limits.max_concurrent_streams, 1,
               kStreamsMax);
  reader.require(table, "apns", "topics");
  if (const toml::node* topics = table.get("topics")) {
    const toml::array* list = topics->as_array();
    if (list == nullptr || list->empty() || !list->is_homogeneous<std::string>()) {
      reader.problem(topics, "topics must be a list of bundle ids");
    } else {
      for (const auto& topic : *list) options.apns.topics.push_back(topic.as_string()->get());
    }
  }
  const toml::node* keys = table.get("keys");
  if (keys == nullptr && table.contains("client_ca")) return;  // certificates alone
  if (keys == nullptr || !keys->is_array_of_tables()) {
    reader.problem(keys == nullptr ? &table : keys,
                   "[apns] needs one [[apns.keys]] at least, or client_ca");
    return;
  }
  for (const auto& key : *keys->as_array()) read_apns_key(reader, *key.as_table(), options);
}

void read_fcm(ConfigReader& reader, const toml::table& table, SimulatorOptions& options) {
  reader.only(
      table, "fcm",
      {"listen", "project", "client_email", "public_key", "token_uri", "max_concurrent_streams"});
  reader.address(table, options.fcm_listen);
  reader.whole(table, "max_concurrent_streams", options.fcm_limits.max_concurrent_streams, 1,
               kStreamsMax);
  for (const char* key : {"project", "client_email", "public_key", "token_uri"}) {
    reader.require(table, "fcm", key);
  }
  options.fcm.project = reader.text(table, "project").value_or("");
  options.fcm.service_account.client_email = reader.text(table, "client_email").value_or("");
  options.fcm.service_account.token_uri = reader.text(table, "token_uri").value_or("");
  if (auto key = reader.public_key(table, PublicKey::Kind::kRsa)) {
    options.fcm.service_account.public_key = std::move(*key);
  }
}

void read_webpush(ConfigReader& reader, const toml::table& table, SimulatorOptions& options) {
  reader.only(table, "webpush", {"listen", "public_key", "origin", "max_concurrent_streams"});
  reader.address(table, options.webpush_listen);
  reader.whole(table, "max_concurrent_streams", options.webpush_limits.max_concurrent_streams, 1,
               kStreamsMax);
  reader.require(table, "webpush", "public_key");
  options.webpush_origin = reader.text(table, "origin").value_or("");
  if (!options.webpush_origin.empty() && !options.webpush_origin.starts_with("https://")) {
    reader.problem(table.get("origin"), "origin must begin with https://");
  }
  if (auto key = reader.public_key(table, PublicKey::Kind::kEcP256)) {
    options.webpush = WebPushAccount{.vapid_key = std::move(*key)};
  }
}

void read_population(ConfigReader& reader, const toml::table& table, SimulatorOptions& options) {
  reader.only(table, "population", {"devices", "seed", "mix"});
  reader.whole(table, "devices", options.devices, 0, kDevicesMax);
  reader.whole(table, "seed", options.seed, 0, INT64_MAX);
  if (const auto text = reader.text(table, "mix")) {
    if (const auto mix = Mix::parse(*text)) {
      options.mix = *mix;
    } else {
      reader.problem(table.get("mix"), mix.error());
    }
  }
}

void read_file(const std::string& path, SimulatorOptions& options,
               std::vector<std::string>& problems) {
  ConfigReader reader(path, problems);
  toml::table root;
  try {
    const auto text = read_text(path);
    if (!text) {
      problems.push_back(fmt::format("{}: cannot be read; check --config", path));
      return;
    }
    root = toml::parse(*text, path);
  } catch (const toml::parse_error& error) {
    problems.push_back(
        fmt::format("{}:{}: {}", path, error.source().begin.line, error.description()));
    return;
  }
  reader.only(root, "",
              {"tls", "apns", "fcm", "webpush", "control", "population", "journal", "threads"});
  reader.whole(root, "threads", options.threads, 1, kThreadsMax);
  read_tls(reader, reader.table(root, "tls"), options);
  read_apns(reader, reader.table(root, "apns"), options);
  read_fcm(reader, reader.table(root, "fcm"), options);
  if (root.contains("webpush")) read_webpush(reader, reader.table(root, "webpush"), options);
  const toml::table& control = reader.table(root, "control");
  reader.only(control, "control", {"listen"});
  reader.address(control, options.control_listen);
  read_population(reader, reader.table(root, "population"), options);
  const toml::table& journal = reader.table(root, "journal");
  reader.only(journal, "journal", {"events_max", "memory_mib_max"});
  reader.whole(journal, "events_max", options.events_max, 1, kEventsMax);
  reader.whole(journal, "memory_mib_max", options.journal_mib_max, 1, kJournalMibMax);
}

void apply_address(const char* option, const std::optional<std::string>& text, ListenAddress& value,
                   std::vector<std::string>& problems) {
  if (!text) return;
  if (const auto parsed = ListenAddress::parse(*text)) {
    value = *parsed;
  } else {
    problems.push_back(fmt::format("{}: {}", option, parsed.error()));
  }
}

void apply(const ServeOverrides& overrides, SimulatorOptions& options,
           std::vector<std::string>& problems) {
  apply_address("--apns", overrides.apns, options.apns_listen, problems);
  apply_address("--fcm", overrides.fcm, options.fcm_listen, problems);
  apply_address("--webpush", overrides.webpush, options.webpush_listen, problems);
  apply_address("--control", overrides.control, options.control_listen, problems);
  if (overrides.seed) options.seed = *overrides.seed;
  if (overrides.devices) {
    options.devices = *overrides.devices;
    if (options.devices > kDevicesMax) {
      problems.push_back(fmt::format("--devices: at most {}", kDevicesMax));
    }
  }
  if (overrides.threads) {
    options.threads = *overrides.threads;
    if (options.threads < 1 || options.threads > kThreadsMax) {
      problems.push_back(fmt::format("--threads: from 1 to {}", kThreadsMax));
    }
  }
  if (overrides.mix) {
    if (const auto mix = Mix::parse(*overrides.mix)) {
      options.mix = *mix;
    } else {
      problems.push_back("--mix: " + mix.error());
    }
  }
  if (overrides.faults_path) {
    auto plan = read_fault_plan(*overrides.faults_path);
    if (plan) {
      options.faults = std::move(*plan);
    } else {
      problems.insert(problems.end(), plan.error().begin(), plan.error().end());
    }
  }
}

}  // namespace

tl::expected<SimulatorOptions, std::vector<std::string>> load_serve_options(
    const ServeOverrides& overrides) {
  SimulatorOptions options;
  std::vector<std::string> problems;
  if (overrides.config_path.empty()) {
    problems.emplace_back(
        "--config is needed: it names the TLS certificate and the keys to verify with");
  } else {
    read_file(overrides.config_path, options, problems);
  }
  apply(overrides, options, problems);
  if (!problems.empty()) return tl::unexpected(std::move(problems));
  return options;
}

}  // namespace device_sim
