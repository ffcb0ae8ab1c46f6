#include "relay/config/config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "relay/config/limits.h"
#include "relay/config/section.h"
#include "relay/import/registration_form.h"

namespace carillon::config {
namespace {

constexpr std::array<std::string_view, 5> kLogLevels{"trace", "debug", "info", "warning", "error"};

// Vendor's rule: a key and a team have ten characters.
// https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
constexpr std::size_t kAppleIdChars = 10;

// Of a project: https://firebase.google.com/docs/cloud-messaging/throttling-and-quotas
constexpr std::uint32_t kFcmPerMinute = 600'000;

constexpr std::string_view kHttps = "https://";

// "host:port", "1.2.3.4:port" or "[::1]:port".
bool listen_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (!bracketed && host.find(':') != host.npos) return false;
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;  // its type is the range
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc() && end == digits.data() + digits.size();
}

// What is read, with the folder that its paths are relative to.
class Reader {
 public:
  Reader(std::filesystem::path folder, ProblemList& problems)
      : folder_(std::move(folder)), problems_(problems) {}

  Config read(const toml::table& file) {
    Config config;
    Section root(&file, "", 1, problems_);
    read_http(section(root, "http"), config.http);
    read_store(section(root, "store"), config.store);
    read_fanout(section(root, "fanout"), config.fanout);
    read_log(section(root, "log"), config.log);
    read_outcomes(section(root, "outcomes"), config.store);
    read_apps(root, config);
    root.refuse_others();
    return config;
  }

  std::vector<std::string> known;  // "http.listen", in the order of reading

 private:
  Section section(Section& parent, std::string_view key) {
    const toml::table* const table = parent.table(key);
    const std::string name =
        parent.name().empty() ? std::string(key) : fmt::format("{}.{}", parent.name(), key);
    return {table, name, parent.line_of(key), problems_};
  }

  void close(Section& section) {
    section.refuse_others();
    for (const std::string& key : section.known()) {
      known.push_back(fmt::format("{}.{}", section.name(), key));
    }
  }

  void read_http(Section in, Http& http) {
    in.read("listen", http.listen);
    if (!listen_address(http.listen)) {
      in.problem("listen", "must be ADDRESS:PORT, such as \"127.0.0.1:8080\" or \"[::1]:8080\"");
    }
    in.read("threads", http.threads, kHttpThreads);
    in.read("connections_max", http.connections_max, kHttpConnections);
    in.read("body_bytes_max", http.body_bytes_max, kHttpBodyBytes);
    in.read("head_bytes_max", http.head_bytes_max, kHttpHeadBytes);
    in.read("head_timeout_ms", http.head_timeout_ms, kHttpTimeoutMs);
    in.read("body_timeout_ms", http.body_timeout_ms, kHttpTimeoutMs);
    in.read("idle_timeout_ms", http.idle_timeout_ms, kHttpTimeoutMs);
    close(in);
  }

  void read_outcomes(Section in, Store& store) {
    in.read("rows", store.outcome_rows, kOutcomesRows);
    in.read("days", store.outcome_days, kOutcomesDays);
    close(in);
  }

  void read_store(Section in, Store& store) {
    store.path = folder_ / store.path;
    if (auto path = in.path("path", folder_)) store.path = std::move(*path);
    in.read("group_commit_max", store.group_commit_max, kStoreGroupCommit);
    in.read("group_commit_wait_ms", store.group_commit_wait_ms, kStoreGroupCommitWaitMs);
    in.read("idempotency_hours", store.idempotency_hours, kStoreIdempotencyHours);
    close(in);
  }

  void read_fanout(Section in, Fanout& fanout) {
    in.read("repeat_bound", fanout.repeat_bound, kFanoutRepeatBound);
    in.read("batch_devices", fanout.batch_devices, kFanoutBatchDevices);
    in.read("checkpoint_interval_ms", fanout.checkpoint_interval_ms, kFanoutCheckpointIntervalMs);
    in.read("attempts_max", fanout.attempts_max, kFanoutAttempts);
    in.read("retry_first_ms", fanout.retry_first_ms, kFanoutRetryMs);
    in.read("retry_max_ms", fanout.retry_max_ms, kFanoutRetryMs);
    in.read("apns_unavailable_ms", fanout.apns_unavailable_ms, kFanoutRetryMs);
    in.read("fcm_unavailable_ms", fanout.fcm_unavailable_ms, kFanoutRetryMs);
    in.read("retries_per_job_max", fanout.retries_per_job_max, kFanoutRetriesPerJob);
    in.read("dead_percent_max", fanout.dead_percent_max, kFanoutDeadPercent);
    in.read("dead_answers_min", fanout.dead_answers_min, kFanoutDeadAnswers);
    in.read("drain_ms", fanout.drain_ms, kFanoutDrainMs);
    if (fanout.batch_devices > fanout.repeat_bound) {
      in.problem("batch_devices",
                 fmt::format("must not exceed repeat_bound ({}): a batch is handed "
                             "out whole",
                             fanout.repeat_bound));
    }
    if (fanout.retry_first_ms > fanout.retry_max_ms) {
      in.problem("retry_first_ms",
                 fmt::format("must not exceed retry_max_ms ({})", fanout.retry_max_ms));
    }
    close(in);
  }

  void read_log(Section in, Log& log) {
    in.read("level", log.level);
    if (std::ranges::find(kLogLevels, log.level) == kLogLevels.end()) {
      in.problem("level", "must be one of trace, debug, info, warning, error");
    }
    log.core_files = in.flag("core_files").value_or(log.core_files);
    close(in);
  }

  void read_apps(Section& root, Config& config) {
    const toml::table* const apps = root.table("apps");
    const std::size_t line = root.line_of("apps");
    if (apps == nullptr || apps->empty()) {
      problems_.add(
          line, "there is no app: add [apps.NAME.apns], [apps.NAME.fcm] or [apps.NAME.webpush]");
      return;
    }
    Section in(apps, "apps", line, problems_);
    for (const auto& [key, node] : *apps) {
      const std::string name(key.str());
      const std::string_view fault = import::app_fault(name);
      if (!fault.empty()) {
        problems_.add(static_cast<std::size_t>(key.source().begin.line),
                      fmt::format("the app's name \"{}\" {}", name, fault));
      }
      if (in.table(name) != nullptr) config.apps[name] = read_app(section(in, name));
    }
  }

  App read_app(Section in) {
    App app;
    if (in.table("apns") != nullptr) app.apns = read_apns(section(in, "apns"), app);
    if (in.table("fcm") != nullptr) app.fcm = read_fcm(section(in, "fcm"), app);
    if (in.table("stale") != nullptr) app.stale = read_stale(section(in, "stale"));
    if (in.table("webpush") != nullptr) app.webpush = read_webpush(section(in, "webpush"), app);
    if (!app.apns && !app.fcm && !app.webpush) {
      problems_.add(in.line_of(""),
                    fmt::format("[{0}] has no provider: add [{0}.apns], [{0}.fcm] or [{0}.webpush]",
                                in.name()));
    }
    in.refuse_others();
    return app;
  }

  Stale read_stale(Section in) {
    Stale stale;
    in.read("leave_out_after_days", stale.leave_out_after_days, kStaleDays);
    in.read("remove_after_days", stale.remove_after_days, kStaleDays);
    if (stale.remove_after_days != 0 && stale.remove_after_days <= stale.leave_out_after_days) {
      in.problem("remove_after_days",
                 fmt::format("must be more than leave_out_after_days ({}), or 0 for never",
                             stale.leave_out_after_days));
    }
    close(in);
    return stale;
  }

  void read_path(Section& in, std::string_view key, std::string& into) {
    if (const auto path = in.path(key, folder_)) into = path->string();
  }

  void read_https(Section& in, std::string_view key, std::string& into) {
    in.read(key, into);
    if (into.empty() || (into.starts_with(kHttps) && into.size() > kHttps.size())) return;
    in.problem(key, "must be an https:// URL");
  }

  // What all providers over HTTP/2 have: whom to trust, how patiently.
  template <class ProviderConfig>
  void read_connection(Section& in, ProviderConfig& provider) {
    read_path(in, "ca_file", provider.ca_file);
    in.read("connections_max", provider.connections_max, kProviderConnections);
    in.read("streams_max", provider.streams_max, kProviderStreams);
    in.read("connect_max_ms", provider.connect_max, kProviderTimeoutMs);
    in.read("request_timeout_ms", provider.request_timeout, kProviderTimeoutMs);
    in.read("queued_max_ms", provider.queued_max, kProviderTimeoutMs);
    in.read("stuck_after_ms", provider.stuck_after, kProviderTimeoutMs);
    in.read("idle_after_ms", provider.idle_after, kProviderIdleMs);
    in.read("ping_max_ms", provider.ping_max, kProviderTimeoutMs);
  }

  void read_rate(Section& in, Rate& rate) {
    in.read("rate_per_minute", rate.per_minute, kProviderPerMinute);
    in.read("ramp_up_ms", rate.ramp_up_ms, kProviderRampUpMs);
  }

  // When all paths were read.
  static Basis basis_of(const Section& in) {
    static constexpr std::array<std::string_view, 2> kNotTheProviders{"rate_per_minute",
                                                                      "ramp_up_ms"};
    return {.text = in.text_without(kNotTheProviders),
            .files = {in.paths().begin(), in.paths().end()}};
  }

  push::ApnsConfig read_apns(Section in, App& app) {
    push::ApnsConfig apns;
    read_https(in, "endpoint", apns.endpoint);
    read_https(in, "channels_endpoint", apns.channels_endpoint);
    read_connection(in, apns);
    read_rate(in, app.apns_rate);
    read_path(in, "key_file", apns.key_file);
    in.read("key_id", apns.key_id);
    in.read("team_id", apns.team_id);
    in.read("bundle_id", apns.bundle_id);
    read_path(in, "certificate_file", apns.certificate_file);
    read_path(in, "certificate_password_file", apns.certificate_password_file);
    in.require("bundle_id");
    if (apns.certificate_file.empty()) {
      for (const char* const key : {"key_file", "key_id", "team_id"}) in.require(key);
      if (!apns.certificate_password_file.empty()) {
        in.problem("certificate_password_file", "is of use beside certificate_file only");
      }
    } else if (!apns.key_file.empty() || !apns.key_id.empty() || !apns.team_id.empty()) {
      in.problem("certificate_file",
                 "must not stand beside key_file, key_id and team_id: it is one or the other");
    }
    for (const auto& [key, value] :
         {std::pair{"key_id", &apns.key_id}, std::pair{"team_id", &apns.team_id}}) {
      if (!value->empty() && value->size() != kAppleIdChars) {
        in.problem(key, fmt::format("must have {} characters", kAppleIdChars));
      }
    }
    app.basis[push::Platform::kApns] = basis_of(in);
    close(in);
    return apns;
  }

  push::FcmConfig read_fcm(Section in, App& app) {
    push::FcmConfig fcm;
    read_https(in, "endpoint", fcm.endpoint);
    read_connection(in, fcm);
    if (fcm.streams_max > push::kFcmStreamsMax) {
      in.problem("streams_max", fmt::format("must be at most {}, not {}: Google closes connections "
                                            "that have more requests at once",
                                            push::kFcmStreamsMax, fcm.streams_max));
    }
    // Google's quota is Google's: a simulator or a proxy elsewhere has none unless it is said.
    if (fcm.endpoint == push::FcmConfig().endpoint) app.fcm_rate.per_minute = kFcmPerMinute;
    read_rate(in, app.fcm_rate);
    read_path(in, "service_account_file", fcm.service_account_file);
    in.read("project", fcm.project);
    read_https(in, "token_uri", fcm.token_uri);
    in.require("service_account_file");
    app.basis[push::Platform::kFcm] = basis_of(in);
    close(in);
    return fcm;
  }

  push::WebPushConfig read_webpush(Section in, App& app) {
    push::WebPushConfig webpush;
    read_path(in, "vapid_key_file", webpush.vapid_key_file);
    in.read("subject", webpush.subject);
    if (auto origins = in.texts("origins")) webpush.origins = std::move(*origins);
    if (webpush.origins.empty()) in.problem("origins", "must name one push service at least");
    if (const auto list = push::OriginList::parse(webpush.origins); !list) {
      in.problem("origins", fmt::format("is wrong: {}", list.error()));
    }
    webpush.allow_private_addresses =
        in.flag("allow_private_addresses").value_or(webpush.allow_private_addresses);
    read_connection(in, webpush);
    read_rate(in, app.webpush_rate);
    in.read("origins_max", webpush.origins_max, kWebPushOrigins);
    in.read("origin_idle_ms", webpush.origin_idle, kProviderIdleMs);
    in.read("encryption_threads", webpush.encryption_threads, kWebPushEncryptionThreads);
    for (const char* const key : {"vapid_key_file", "subject"}) in.require(key);
    app.basis[push::Platform::kWebPush] = basis_of(in);
    close(in);
    return webpush;
  }

  const std::filesystem::path folder_;
  ProblemList& problems_;
};

tl::expected<std::string, std::string> read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  // Reading is what tells a folder from a file; opening does not.
  if (!in || !(text << in.rdbuf())) {
    const int error = errno;
    std::error_code ignored;
    if (in && !std::filesystem::is_directory(file, ignored)) return std::string();  // it is empty
    return tl::unexpected(fmt::format("cannot be read: {}", std::strerror(in ? EISDIR : error)));
  }
  return std::move(text).str();
}

}  // namespace

const Rate& App::rate(push::Platform platform) const {
  switch (platform) {
    case push::Platform::kApns:
      return apns_rate;
    case push::Platform::kFcm:
      return fcm_rate;
    case push::Platform::kWebPush:
      break;
  }
  return webpush_rate;
}

tl::expected<Config, std::vector<Problem>> load_config(const std::filesystem::path& file) {
  ProblemList problems(file.string());
  const auto text = read_file(file);
  if (!text) {
    problems.add(0, text.error());
    return tl::unexpected(std::move(problems).sorted());
  }
  if (text->size() > kFileBytesMax) {
    problems.add(0, fmt::format("is longer than {} bytes: this is no config", kFileBytesMax));
    return tl::unexpected(std::move(problems).sorted());
  }
  try {
    const toml::table table = toml::parse(*text);
    Config config = Reader(file.parent_path(), problems).read(table);
    if (problems.empty()) return config;
  } catch (const toml::parse_error& error) {  // the library's only way to tell
    problems.add(error.source().begin.line, std::string(error.description()));
  }
  return tl::unexpected(std::move(problems).sorted());
}

auto push_origins(const Config& config) -> import::PushOrigins {
  import::PushOrigins origins;
  for (const auto& [name, app] : config.apps) {
    if (!app.webpush) continue;
    if (auto list = push::OriginList::parse(app.webpush->origins)) origins[name] = std::move(*list);
  }
  return origins;
}

std::vector<std::string> known_keys() {
  // What an app that has everything is asked for.
  static constexpr std::string_view kEverything =
      "[apps.'<app>'.apns]\n[apps.'<app>'.fcm]\n[apps.'<app>'.webpush]\n[apps.'<app>'.stale]\n";
  ProblemList ignored("");
  Reader reader("", ignored);
  const toml::table table = toml::parse(kEverything);
  reader.read(table);
  return std::move(reader.known);
}

}  // namespace carillon::config
