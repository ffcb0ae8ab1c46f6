#include "tests/bench/postgres_figures.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>

#include "tests/bench/population.h"
#include "tests/bench/watches.h"

namespace carillon::bench {
namespace {

constexpr std::uint64_t kBatchLines = 100'000;

constexpr const char* kSchema = R"sql(
CREATE TABLE subscriber (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE device (
  id bigserial PRIMARY KEY,
  name text NOT NULL UNIQUE,
  subscriber bigint NOT NULL REFERENCES subscriber ON DELETE CASCADE,
  platform smallint NOT NULL,
  token text NOT NULL,
  registered timestamptz NOT NULL DEFAULT now(),
  UNIQUE (platform, token)
);
CREATE INDEX ON device (subscriber);
CREATE TABLE topic (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE subscription (
  topic integer NOT NULL REFERENCES topic,
  subscriber bigint NOT NULL REFERENCES subscriber ON DELETE CASCADE,
  PRIMARY KEY (topic, subscriber)
);
CREATE INDEX ON subscription (subscriber);
CREATE UNLOGGED TABLE staging (device text, token text, subscriber text, topics text[]);
)sql";

// Takes what stands in `staging` as the store takes import lines. Without the two ANALYZE the joins
// are nested loops over what the planner believes to be empty.
constexpr const char* kMerge = R"sql(
ANALYZE staging;
INSERT INTO subscriber (name) SELECT subscriber FROM staging ON CONFLICT DO NOTHING;
INSERT INTO topic (name) SELECT DISTINCT unnest(topics) FROM staging ON CONFLICT DO NOTHING;
ANALYZE subscriber, topic;
INSERT INTO device (name, subscriber, platform, token)
  SELECT staging.device, subscriber.id, 1, token
  FROM staging JOIN subscriber ON subscriber.name = staging.subscriber
  ON CONFLICT (name) DO UPDATE SET token = excluded.token, subscriber = excluded.subscriber,
    registered = excluded.registered WHERE device.token <> excluded.token;
INSERT INTO subscription (topic, subscriber)
  SELECT topic.id, subscriber.id
  FROM (SELECT subscriber, unnest(topics) AS name FROM staging) AS heard
  JOIN topic ON topic.name = heard.name JOIN subscriber ON subscriber.name = heard.subscriber
  ON CONFLICT DO NOTHING;
TRUNCATE staging;
)sql";

// By turns an unknown device and a known one with a new token, as the store's clients do.
constexpr const char* kUpsert = R"sql(
\set number random(1, :devices * 2)
\set word random(1, 9000000000000000)
BEGIN;
INSERT INTO subscriber (name) VALUES ('u-' || :number) ON CONFLICT DO NOTHING;
INSERT INTO device (name, subscriber, platform, token)
  SELECT 'd-' || :number, id, 1, md5(:word::text) || md5(:number::text)
  FROM subscriber WHERE name = 'u-' || :number
  ON CONFLICT (name) DO UPDATE SET token = excluded.token, registered = excluded.registered;
INSERT INTO subscription SELECT topic.id, subscriber.id FROM topic, subscriber
  WHERE topic.name = 'all' AND subscriber.name = 'u-' || :number ON CONFLICT DO NOTHING;
COMMIT;
)sql";

constexpr const char* kErase = R"sql(
\set number random(1, :devices * 2)
WITH gone AS (DELETE FROM device WHERE name = 'd-' || :number RETURNING subscriber)
DELETE FROM subscriber USING gone WHERE subscriber.id = gone.subscriber;
)sql";

std::string shell_word(const std::string& text) {
  std::string out = "'";
  for (const char letter : text)
    out += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return out + "'";
}

// The folder of the server's programs, newest version first; empty: not installed.
std::string programs() {
  std::set<std::string> folders;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    if (std::filesystem::exists(entry.path() / "bin/initdb", none)) {
      folders.insert((entry.path() / "bin").string());
    }
  }
  return folders.empty() ? std::string() : *folders.rbegin();
}

class Cluster {
 public:
  Cluster(const std::string& folder, const std::string& programs) : programs_(programs) {
    folder_ = folder + "/postgres-XXXXXX";
    if (!::mkdtemp(folder_.data())) {
      throw std::runtime_error(fmt::format("cannot make a folder in {}", folder));
    }
    ::chmod(folder_.c_str(), 0755);
    log_ = folder_ + "/log";
    std::ofstream(log_).close();
    if (::geteuid() == 0) run(fmt::format("chown -R postgres: {}", shell_word(folder_)));
    try {
      as_server(
          fmt::format("{}/initdb -D {}/data -A trust -U bench --no-sync", programs_, folder_));
      as_server(
          fmt::format("{0}/pg_ctl -D {1}/data -l {1}/server.log -w -o \"-c listen_addresses='' "
                      "-k {1} -c shared_buffers={2}MB\" start",
                      programs_, folder_, kSharedBuffersMib));
      running_ = true;
    } catch (...) {
      std::filesystem::remove_all(folder_);
      throw;
    }
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster() {
    if (running_) {
      try {
        as_server(fmt::format("{}/pg_ctl -D {}/data -m fast -w stop", programs_, folder_));
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  void create_database(const std::string& name) {
    database_ = "postgres";
    query("CREATE DATABASE " + name);
    database_ = name;
    script(kSchema);
  }
  void drop_database() {
    const std::string name = std::exchange(database_, "postgres");
    query("DROP DATABASE " + name);
  }
  void script(const std::string& sql) {
    write("script.sql", sql);
    psql("-f " + shell_word(file("script.sql")));
  }
  std::string query(const std::string& sql) { return psql("-c " + shell_word(sql)); }
  double number(const std::string& sql) { return std::stod(query(sql)); }
  // Transactions a second of 64 clients.
  double pgbench(const std::string& transaction, std::uint64_t devices, double seconds) {
    write("script.sql", transaction);
    const std::string out = as_server(fmt::format(
        "{}/pgbench -h {} -U bench -n -M prepared -c 64 -j 2 -T {} -D "
        "devices={} -f {} {}",
        programs_, folder_, static_cast<int>(seconds), devices, file("script.sql"), database_));
    const std::size_t at = out.find("tps = ");
    if (at == std::string::npos) throw std::runtime_error("pgbench said no rate: " + out);
    return std::stod(out.substr(at + 6));
  }

 private:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(file(name), std::ios::trunc) << text;
    ::chmod(file(name).c_str(), 0644);
  }
  std::string psql(const std::string& what) {
    return run(fmt::format("{}/psql -h {} -U bench -d {} -XqAt -v ON_ERROR_STOP=1 {} 2>>{}",
                           programs_, shell_word(folder_), database_, what, shell_word(log_)));
  }
  // PostgreSQL refuses to serve as root.
  std::string as_server(const std::string& command) {
    const std::string line = fmt::format("cd / && {} 2>>{}", command, shell_word(log_));
    return run(::geteuid() == 0 ? "runuser -u postgres -- sh -c " + shell_word(line) : line);
  }
  std::string run(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (!pipe) throw std::runtime_error("cannot start a shell");
    std::array<char, 4096> block{};
    while (const std::size_t got = std::fread(block.data(), 1, block.size(), pipe)) {
      out.append(block.data(), got);
    }
    if (::pclose(pipe) != 0) {
      std::ifstream log(log_);
      std::string last;
      for (std::string line; std::getline(log, line);) last = line;
      throw std::runtime_error(fmt::format("PostgreSQL: {} ({})", last, command));
    }
    return out;
  }

  const std::string programs_;
  std::string folder_, log_, database_ = "postgres";
  bool running_ = false;
};

// Rows of `staging` in the text format of COPY.
void write_rows(const std::string& path, std::uint64_t first, std::uint64_t count, Topics topics) {
  std::ofstream out(path, std::ios::trunc);
  const Shuffle shuffle(count, 42);
  std::string line, row;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t number = first + shuffle(i);
    line.clear();
    append_line(number, topics, line);
    const std::size_t open = line.find('['), close = line.find(']');
    row = device_name(number) + '\t';
    append_token(number, 0, row);
    row += '\t' + subscriber_name(number) + "\t{" + line.substr(open + 1, close - open - 1) + "}\n";
    out << row;
  }
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path);
  ::chmod(path.c_str(), 0644);
}

// Seconds of COPY and merge; writing the file is not among them.
double import(Cluster& cluster, std::uint64_t first, std::uint64_t count, Topics topics) {
  const std::string path = cluster.file("rows");
  write_rows(path, first, count, topics);
  const Stopwatch watch;
  cluster.query("COPY staging FROM " + shell_word(path));
  cluster.script(kMerge);
  return watch.seconds();
}

double database_bytes(Cluster& cluster) {
  cluster.query("VACUUM ANALYZE");
  return cluster.number("SELECT pg_database_size(current_database())");
}

}  // namespace

std::optional<PostgresFigures> measure_postgres(const std::string& folder, std::uint64_t devices,
                                                double seconds) {
  const std::string found = programs();
  if (found.empty()) return std::nullopt;
  Cluster cluster(folder, found);
  PostgresFigures figures{.version = cluster.query("SHOW server_version"), .devices = devices};
  figures.version.erase(figures.version.find_last_not_of('\n') + 1);
  const auto count = static_cast<double>(devices);

  cluster.create_database("one");
  const double empty = database_bytes(cluster);
  import(cluster, 0, devices, Topics::kOne);
  const double one = database_bytes(cluster);
  figures.bytes_per_device = (one - empty) / count;
  cluster.drop_database();

  cluster.create_database("every");
  figures.import_per_second = count / import(cluster, 0, devices, Topics::kAll);
  const double further = cluster.number("SELECT count(*) FROM subscription") - count;
  figures.bytes_per_subscription = (database_bytes(cluster) - one) / further;

  const Stopwatch watch;
  cluster.query(
      "COPY (SELECT device.id, token FROM subscription JOIN device USING (subscriber) WHERE topic "
      "= "
      "(SELECT id FROM topic WHERE name = 'all') AND platform = 1 ORDER BY subscriber) TO "
      "'/dev/null'");
  figures.scan_per_second = count / watch.seconds();

  const std::uint64_t batches = std::max<std::uint64_t>(devices / 20 / kBatchLines, 1);
  double spent = 0;
  for (std::uint64_t i = 0; i < batches; ++i) {
    spent += import(cluster, devices + i * kBatchLines, kBatchLines, Topics::kAll);
  }
  figures.incremental_per_second = static_cast<double>(batches * kBatchLines) / spent;
  figures.upserts_per_second = cluster.pgbench(kUpsert, devices, seconds);
  figures.erasures_per_second = cluster.pgbench(kErase, devices, seconds);
  return figures;
}

}  // namespace carillon::bench
