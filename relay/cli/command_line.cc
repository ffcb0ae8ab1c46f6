#include "relay/cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <ostream>

#include "relay/cli/api_client.h"
#include "relay/cli/api_options.h"
#include "relay/cli/audience_command.h"
#include "relay/cli/backup_command.h"
#include "relay/cli/channels_command.h"
#include "relay/cli/check_command.h"
#include "relay/cli/compact_command.h"
#include "relay/cli/devices_command.h"
#include "relay/cli/events_command_line.h"
#include "relay/cli/exit_code.h"
#include "relay/cli/export_command.h"
#include "relay/cli/figures.h"
#include "relay/cli/import_command.h"
#include "relay/cli/inspect_command.h"
#include "relay/cli/installation.h"
#include "relay/cli/keys_command.h"
#include "relay/cli/publish_command_line.h"
#include "relay/cli/quarantine_command.h"
#include "relay/cli/serve_command.h"
#include "relay/cli/stop_signals.h"
#include "relay/cli/vapid_command.h"
#include "relay/cli/watch_command.h"
#include "storage/sqlite/sqlite_store.h"

namespace carillon::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done; 1 it did not work, stderr says why; 2 the command line makes no sense;\n"
    "3 import only: done, but bad lines were left out.";

// Declares the commands and remembers the one that was asked for.
class CommandLine {
 public:
  explicit CommandLine(Terminal& terminal) : terminal_(terminal) {
    app_.require_subcommand(1);
    app_.footer(kExitCodes);
    app_.set_version_flag("--version", std::string("carillon ") + CARILLON_VERSION);
    add_serve();
    add_check();
    add_backup();
    add_compact();
    add_inspect();
    add_import();
    add_export();
    add_audience();
    add_devices();
    quarantine_.declare(app_, chosen_);
    add_keys();
    publish_.declare(app_);
    add_watch();
    events_.declare(app_);
    channels_.declare(app_, chosen_);
  }

  int run(std::vector<std::string> arguments) {
    std::ranges::reverse(arguments);  // CLI11 takes them from the back
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::ParseError& end) {  // its way to tell of --help, too
      return app_.exit(end, terminal_.out, terminal_.err) == 0 ? kExitOk : kExitUsage;
    }
    return chosen_();
  }

 private:
  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& what,
                const std::string& examples, std::function<int()> command) {
    CLI::App* const added = parent.add_subcommand(name, what);
    added->footer("Example:\n" + examples);
    added->callback([this, command = std::move(command)] { chosen_ = command; });
    return added;
  }

  void add_config_option(CLI::App* command) {
    command->add_option("--config", config_file_, "the relay's configuration, a TOML file")
        ->required()
        ->type_name("FILE");
  }

  void add_serve() {
    CLI::App* const command =
        add(app_, "serve", "Run the relay in the foreground",
            "  carillon serve --config /etc/carillon/carillon.toml\n"
            "Prints \"ready\" when it answers. SIGTERM stops it: what was sent is waited for, the\n"
            "rest goes on at the next start; a second SIGTERM does not wait. SIGHUP reads\n"
            "credentials again: a new one is tried first.",
            [this] { return run_serve(terminal_, config_file_); });
    add_config_option(command);
  }

  void add_check() {
    CLI::App* const command =
        add(app_, "check", "Tell all problems of config, credentials and store at once",
            "  carillon check --config /etc/carillon/carillon.toml\n"
            "Creates nothing. With --online every platform is asked whether it takes the "
            "credential;\n"
            "no device is sent to.",
            [this] {
              return run_check(terminal_,
                               {.config_file = config_file_, .deep = deep_, .online = online_});
            });
    add_config_option(command);
    command->add_flag("--deep", deep_, "read the whole store; minutes for a large one");
    command->add_flag("--online", online_,
                      fmt::format("ask Apple, Google and the push services; {} s at most",
                                  kOnlineCheckMax.count() / 1'000));
  }

  void add_backup() {
    CLI::App* const command = add(
        app_, "backup", "Copy the store as it is at one moment, also while the relay runs",
        "  carillon backup --config carillon.toml /backup/carillon-2026-11-21.db\n"
        "Replaces no file. The copy is checked before it gets its name; to restore it, stop the\n"
        "relay, remove the store's -wal and -shm files and put the copy in the store's place.",
        [this] {
          return run_backup(terminal_, {config_file_, backup_target_});
        });
    add_config_option(command);
    command->add_option("FILE", backup_target_, "the new file")->required();
  }

  void add_compact() {
    CLI::App* const command =
        add(app_, "compact",
            "Make the store's file as small as what it holds, also while the relay runs",
            "  carillon compact --config carillon.toml\n"
            "Works in steps of some 10 ms between the relay's own; SIGINT stops it, what was done "
            "stays\n"
            "done. A store of an earlier Carillon is converted once, for which the relay must be "
            "stopped\n"
            "and the disk have room for a copy. The relay does the same by itself when a quarter "
            "of the\n"
            "file is free.",
            [this] { return compact(); });
    add_config_option(command);
  }

  void add_inspect() {
    using What = store::Inspection::What;
    CLI::App* const inspect = app_.add_subcommand(
        "inspect", "Look into the store, which is packed and closed to the sqlite3 shell");
    inspect->require_subcommand(1);
    inspect->footer(
        "Reads only, beside a running relay too. What is damaged is told as that. Tokens are\n"
        "shortened unless --show-tokens asks for them: who has one can send to the device.");
    const auto look = [&](const std::string& name, const std::string& what,
                          const std::string& example, What at) {
      CLI::App* const command = add(*inspect, name, what, example, [this, at] {
        inspection_.what = at;
        const auto config = load_config_or_explain(terminal_, config_file_);
        return config ? run_inspect(terminal_, config->store, inspection_, inspect_json_)
                      : kExitFailure;
      });
      add_config_option(command);
      command->add_flag("--json", inspect_json_, "one JSON object");
      return command;
    };
    const auto named = [&](CLI::App* command, const char* first, const char* second) {
      command->add_option(first, inspection_.first, "")->required();
      command->add_option(second, inspection_.second, "")->required();
      command->add_flag("--show-tokens", inspection_.show_tokens, "tokens in full");
    };
    look("summary", "What the file has of everything; reads all of it, seconds for a large one",
         "  carillon inspect summary --config carillon.toml", What::kSummary);
    named(look("device", "All that is known of a device, where it stands, and its running events",
               "  carillon inspect device --config carillon.toml video d-1", What::kDevice),
          "APP", "DEVICE");
    named(look("subscriber", "A subscriber with topics and devices",
               "  carillon inspect subscriber --config carillon.toml video u-9", What::kSubscriber),
          "APP", "SUBSCRIBER");
    CLI::App* const topic =
        look("topic", "A topic's counts, its chunks and its first members",
             "  carillon inspect topic --config carillon.toml video channel-42", What::kTopic);
    named(topic, "APP", "TOPIC");
    topic->add_option("--members", inspection_.items_max, "how many members are listed")
        ->capture_default_str();
    named(
        look(
            "chunk", "One chunk's entries, one a line",
            "  carillon inspect chunk --config carillon.toml hot 4711:0\n"
            "  carillon inspect chunk --config carillon.toml mem 3:4711\n"
            "TABLE: sub, hot, mem, devmem, trait, unusual, hx, hx_young, hx_new. KEY: a number, or "
            "two:\n"
            "subscriber:ordinal for hot and trait, topic:subscriber for mem and devmem,\n"
            "group:subscriber for unusual, kind:hash for hx and its like. The chunk is shown that\n"
            "has the key or would have it.",
            What::kChunk),
        "TABLE", "KEY");
  }

  void add_import() {
    CLI::App* const command = add(
        app_, "import",
        "Load devices and their topics from NDJSON or CSV, also while the relay runs",
        "  carillon import --config carillon.toml devices.ndjson\n"
        "  device-sim devices --count 100000 --seed 7 | carillon import --config carillon.toml -\n"
        "  carillon import --config carillon.toml --dry-run devices.csv.zst\n"
        "One JSON object a line; only device, app, platform and token are needed:\n"
        "  {\"device\":\"d-1\",\"app\":\"video\",\"platform\":\"fcm\",\"token\":\"...\",\n"
        "   \"subscriber\":\"u-9\",\"topics\":[\"channel-42\"],\"device_topics\":[\"tablets\"],\n"
        "   \"locale\":\"de\",\"timezone\":\"Europe/Berlin\",\"app_version\":\"3.10\",\n"
        "   \"last_seen\":\"2026-01-02T03:04:05Z\",\"attributes\":{\"plan\":\"pro\",\"age\":18}}\n"
        "CSV has the same names in its first line, attributes as attributes.NAME, topics "
        "separated\n"
        "by a space or a semicolon; one record is one line. gzip and zstd are known by their "
        "bytes.\n"
        "A line is all that is known of its device from then on: what it leaves out is forgotten,\n"
        "only topics are added to those that are there. A later line about the same device wins.\n"
        "Without last_seen a line about a known device does not say that it was seen.\n"
        "Bad lines are told on stderr, the others are kept; the exit code is then 3. After SIGINT "
        "or\n"
        "SIGTERM what was read is stored, and the line to go on from is told.",
        [this] { return import(); });
    add_config_option(command);
    command->add_option("FILE", import_.file, "the file; \"-\" or nothing: standard input");
    command->add_option("--app", import_.app, "the app of lines that name none; no other is taken")
        ->type_name("APP");
    command
        ->add_option("--format", import_format_,
                     "ndjson or csv; otherwise the file's ending says it, otherwise ndjson")
        ->check(CLI::IsMember({"ndjson", "csv"}));
    command->add_flag("--dry-run", dry_run_, "judge every line and store nothing");
    command
        ->add_option("--resume-from-line", import_.first_line,
                     "pass over the lines before this one, but for a CSV header")
        ->check(CLI::PositiveNumber);
  }

  void add_export() {
    CLI::App* const command = add(
        app_, "export", "Write every device as NDJSON or CSV, as it is at this moment",
        "  carillon export --config carillon.toml --output devices.ndjson.zst\n"
        "  carillon export --config carillon.toml --app video --format csv | head\n"
        "Reads the store, beside a running relay too, from a copy that it makes of it: its size\n"
        "must be free on its disk. The lines are what `carillon import` takes, and make the same\n"
        "devices again in an empty store. Not in them: when a token was registered, that a device\n"
        "was left out as stale, and subscribers who have no device.\n"
        "A file appears when it is whole, and replaces one of its name. Counts go to stderr.",
        [this] { return export_devices(); });
    add_config_option(command);
    command->add_option("--app", export_.app, "this app only")->type_name("APP");
    command->add_option("--output", export_.file, "the file; \"-\" or nothing: standard output")
        ->type_name("FILE");
    command
        ->add_option("--format", export_format_,
                     "ndjson or csv; otherwise the file's ending says it, otherwise ndjson")
        ->check(CLI::IsMember({"ndjson", "csv"}));
    command
        ->add_option("--compress", export_coding_,
                     "none, gzip or zstd; otherwise the file's ending says it, otherwise none")
        ->check(CLI::IsMember({"none", "gzip", "zstd"}));
  }

  void add_audience() {
    CLI::App* const audience = app_.add_subcommand("audience", "Ask about who would be reached");
    audience->require_subcommand(1);
    CLI::App* const count =
        add(*audience, "count", "Count the subscribers and devices that a condition names",
            "  carillon audience count --config carillon.toml --app video \\\n"
            "    \"'sports' in topics && locale startsWith 'de' && attributes.age >= 18\"\n"
            "Reads the store, beside a running relay too.",
            [this] { return count_audience(); });
    add_config_option(count);
    count->add_option("--app", audience_.app, "the app; may be left out if the config has one")
        ->type_name("APP");
    count->add_option("CONDITION", audience_.condition, "which devices")->required();
    count->add_flag("--json", audience_.json, "one JSON object, as the API answers");
  }

  void add_devices() {
    CLI::App* const devices = app_.add_subcommand("devices", "Look after the devices of an app");
    devices->require_subcommand(1);
    CLI::App* const sweep = add(
        *devices, "sweep", "Leave devices out of audiences that were not heard of for long",
        "  carillon devices sweep --config carillon.toml --app video --unseen-days 180 --dry-run\n"
        "  carillon devices sweep --config carillon.toml --app video --unseen-days 400 --remove\n"
        "Beside a running relay too, which does it by itself where the config says so\n"
        "([apps.NAME.stale]). A device that was left out comes back when it registers again.",
        [this] { return sweep_devices(); });
    add_config_option(sweep);
    sweep->add_option("--app", sweep_.app, "the app")->required()->type_name("APP");
    sweep
        ->add_option("--unseen-days", sweep_.unseen_days,
                     "days, whole ones, in which the app was not heard of on the device")
        ->required()
        ->check(CLI::Range(1, 3'660));
    sweep->add_flag("--remove", sweep_.remove, "remove them, as if they were erased");
    sweep->add_flag("--dry-run", sweep_.dry_run, "count them and change nothing");
  }

  void add_keys() {
    CLI::App* const keys =
        app_.add_subcommand("keys", "Make, list and revoke API keys; make Web Push's key");
    keys->require_subcommand(1);
    keys->footer("A running relay knows of changes within a second.");
    CLI::App* const create = add(
        *keys, "create", "Make a key and print it, this once; only its hash is stored",
        "  carillon keys create --config carillon.toml --name backend --scopes publish", [this] {
          return with_store([this](auto& store, auto&) {
            return run_keys_create(terminal_, store, key_name_, key_scopes_);
          });
        });
    add_config_option(create);
    create->add_option("--name", key_name_, "what the key is called in lists and logs")->required();
    create
        ->add_option("--scopes", key_scopes_,
                     "publish (events), subscribe (devices, topics, import), admin (everything), "
                     "separated by commas")
        ->required();
    CLI::App* const list = add(
        *keys, "list", "List the keys, revoked ones too",
        "  carillon keys list --config carillon.toml", [this] {
          return with_store([this](auto& store, auto&) { return run_keys_list(terminal_, store); });
        });
    add_config_option(list);
    CLI::App* const revoke =
        add(*keys, "revoke", "Take a key's rights away",
            "  carillon keys revoke --config carillon.toml --name backend", [this] {
              return with_store([this](auto& store, auto&) {
                return run_keys_revoke(terminal_, store, key_name_);
              });
            });
    add_config_option(revoke);
    revoke->add_option("--name", key_name_, "the key's name")->required();
    CLI::App* const vapid =
        add(*keys, "vapid", "Make the key pair of Web Push and print its public half",
            "  carillon keys vapid --out credentials/vapid.pem\n"
            "The file is for vapid_key_file; the printed line is what browsers subscribe with\n"
            "(applicationServerKey). If the file is there already, its public half is printed.",
            [this] { return run_keys_vapid(terminal_, vapid_file_); });
    vapid->add_option("--out", vapid_file_, "where the private key goes")->required();
  }

  void add_watch() {
    CLI::App* const command =
        add(app_, "watch", "Show an event's progress to its end",
            "  carillon watch 0190a5c8-7f3b-7c52-9d1e-3f1d2c4b5a69\n"
            "Exit code 0 if the event completed.",
            [this] {
              return with_api([this](ApiClient& api) { return run_watch(terminal_, api, watch_); });
            });
    add_api_options(command, address_);
    command->add_option("EVENT", watch_.event, "the event's id")->required();
    command->add_flag("--json", watch_.json, "one progress document a line");
  }

  int with_store(const std::function<int(store::Store&, const config::Config&)>& command) {
    const auto config = load_config_or_explain(terminal_, config_file_);
    if (!config) return kExitFailure;
    const auto store = open_store_or_explain(terminal_, config->store, StoreUse::kBeside);
    return store ? command(*store, *config) : kExitFailure;
  }

  int with_api(const std::function<int(ApiClient&)>& command) {
    auto api = ApiClient::connect_to(address_, terminal_);
    if (api) return command(*api);
    explain(terminal_, api.error());
    return kExitUsage;
  }

  int compact() {
    StopSignals signals;  // before the store has threads
    const auto config = load_config_or_explain(terminal_, config_file_);
    if (!config) return kExitFailure;
    return run_compact(terminal_, config->store,
                       {.rest = [&signals](std::chrono::milliseconds rest) {
                         return signals.wait(rest) == StopSignals::Heard::kStop;
                       }});
  }

  static bool heard_stop(StopSignals& signals) {
    const bool stop = signals.wait(std::chrono::milliseconds(0)) == StopSignals::Heard::kStop;
    if (stop) signals.release();  // who asks twice does not want to wait
    return stop;
  }
  static std::optional<import::Format> format_named(const std::string& name) {
    if (name.empty()) return std::nullopt;
    return name == "csv" ? import::Format::kCsv : import::Format::kNdjson;
  }

  int export_devices() {
    StopSignals signals;
    export_.stop_asked = [&signals] { return heard_stop(signals); };
    export_.format = format_named(export_format_);
    if (!export_coding_.empty()) export_.compress = coding::coding_named(export_coding_);
    const auto config = load_config_or_explain(terminal_, config_file_);
    if (!config) return kExitFailure;
    const auto store = open_store_or_explain(terminal_, config->store, StoreUse::kRead);
    return store ? run_export(terminal_, *store, *config, export_) : kExitFailure;
  }

  int import() {
    // Before the store has threads, which would be sent the signals otherwise.
    StopSignals signals;
    import_.stop_asked = [&signals] { return heard_stop(signals); };
    import_.format = format_named(import_format_);
    const auto config = load_config_or_explain(terminal_, config_file_);
    if (!config) return kExitFailure;
    if (dry_run_) return run_import(terminal_, nullptr, *config, import_);
    // To go on from a line means that the store has the ones before it.
    if (import_.first_line == 1) {
      if (const auto load = try_bulk_load(config->store)) {
        import_.batch_lines = store::kBulkBatchLines;
        return run_import(terminal_, *load, *config, import_);
      }
    }
    const auto store = open_store_or_explain(terminal_, config->store, StoreUse::kBeside);
    if (!store) return kExitFailure;
    // Large transactions are cheaper, but a relay beside this import wants to write in between.
    import_.batch_lines =
        nobody_serves(config->store) ? store::kBatchLinesAlone : store::kBatchLinesBesideARelay;
    return run_import(terminal_, store.get(), *config, import_);
  }

  int sweep_devices() {
    StopSignals signals;  // before the store has threads
    sweep_.now_ms = [] {
      const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
      return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
    };
    sweep_.rest = [&signals](std::chrono::milliseconds rest) {
      return signals.wait(rest) == StopSignals::Heard::kStop;
    };
    const auto config = load_config_or_explain(terminal_, config_file_);
    if (!config) return kExitFailure;
    const auto store = open_store_or_explain(terminal_, config->store,
                                             sweep_.dry_run ? StoreUse::kRead : StoreUse::kUpkeep);
    return store ? run_devices_sweep(terminal_, *store, *config, sweep_) : kExitFailure;
  }

  int count_audience() {
    const auto config = load_config_or_explain(terminal_, config_file_);
    if (!config) return kExitFailure;
    if (const auto refused = refuse_condition(terminal_, *config, audience_)) return *refused;
    const auto store = open_store_or_explain(terminal_, config->store, StoreUse::kRead);
    return store ? run_audience_count(terminal_, *store, audience_) : kExitFailure;
  }

  Terminal& terminal_;
  CLI::App app_{"Carillon, a push fan-out relay", "carillon"};
  std::function<int()> chosen_;
  std::filesystem::path config_file_;
  ApiAddress address_;
  bool deep_ = false, online_ = false;
  ImportOptions import_;
  std::string import_format_;
  bool dry_run_ = false;
  ExportOptions export_;
  std::string export_format_, export_coding_;
  AudienceCountOptions audience_;
  SweepOptions sweep_;
  QuarantineCommands quarantine_{terminal_};
  ChannelsCommands channels_{terminal_};
  std::filesystem::path backup_target_;
  store::Inspection inspection_;
  bool inspect_json_ = false;
  std::string key_name_;
  std::string vapid_file_;
  std::string key_scopes_;
  PublishCommandLine publish_{
      terminal_, [this](std::function<int()> command) { chosen_ = std::move(command); }};
  WatchOptions watch_;
  EventsCommandLine events_{terminal_,
                            [this](std::function<int()> command) { chosen_ = std::move(command); }};
};

}  // namespace

int run_command_line(std::vector<std::string> arguments, Terminal& terminal) {
  return CommandLine(terminal).run(std::move(arguments));
}

}  // namespace carillon::cli
