#include "storage/sqlite/schema.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <thread>

#include "storage/sqlite/app_upgrade.h"

namespace carillon::store::sqlite {
namespace {

// `clock` counts the audiences frozen so far, plus one. `one` keeps the table to its single row.
constexpr const char* kFirstFormat = R"sql(
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  clock INTEGER NOT NULL,
  next_subscriber INTEGER NOT NULL,
  devices INTEGER NOT NULL,
  subscribers INTEGER NOT NULL,
  topics INTEGER NOT NULL,
  probe INTEGER NOT NULL,
  hash_key BLOB NOT NULL
);
INSERT INTO meta VALUES (1, 1, 1, 0, 0, 0, 0, randomblob(16));

CREATE TABLE app (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE topic (
  id INTEGER PRIMARY KEY,
  app INTEGER NOT NULL,
  name TEXT NOT NULL,
  subscribers INTEGER NOT NULL,
  apns INTEGER NOT NULL,
  fcm INTEGER NOT NULL,
  webpush INTEGER NOT NULL,
  UNIQUE (app, name)
);
CREATE TABLE dict (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

CREATE TABLE sub (k INTEGER PRIMARY KEY, d BLOB NOT NULL);
CREATE TABLE hot (k INTEGER PRIMARY KEY, d BLOB NOT NULL);
CREATE TABLE mem (k INTEGER PRIMARY KEY, d BLOB NOT NULL);
CREATE TABLE hx (k INTEGER PRIMARY KEY, d BLOB NOT NULL);

CREATE TABLE event (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,
  app INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  topic TEXT NOT NULL,
  names INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  state INTEGER NOT NULL,
  accepted_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  settled_50_ms INTEGER NOT NULL,
  settled_95_ms INTEGER NOT NULL,
  settled_99_ms INTEGER NOT NULL,
  settled_100_ms INTEGER NOT NULL,
  content BLOB NOT NULL
);
CREATE TABLE job (
  event INTEGER NOT NULL,
  platform INTEGER NOT NULL,
  topic INTEGER NOT NULL,
  frozen INTEGER NOT NULL,
  state INTEGER NOT NULL,
  targeted INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  expired INTEGER NOT NULL,
  suppressed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  dead_lettered INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  exhausted INTEGER NOT NULL,
  retries INTEGER NOT NULL,
  beyond BLOB NOT NULL,
  PRIMARY KEY (event, platform)
) WITHOUT ROWID;
CREATE INDEX job_unfinished ON job (frozen) WHERE state <= 3;
CREATE TABLE audience (
  event INTEGER NOT NULL,
  platform INTEGER NOT NULL,
  first INTEGER NOT NULL,
  positions BLOB NOT NULL,
  PRIMARY KEY (event, platform, first)
) WITHOUT ROWID;
CREATE TABLE retry (
  event INTEGER NOT NULL,
  platform INTEGER NOT NULL,
  position INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (event, platform, position)
) WITHOUT ROWID;
CREATE INDEX retry_due ON retry (event, platform, due_ms);
CREATE TABLE failure (
  event INTEGER NOT NULL,
  platform INTEGER NOT NULL,
  position INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (event, platform, position)
) WITHOUT ROWID;
CREATE TABLE reason (
  event INTEGER NOT NULL,
  platform INTEGER NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (event, platform, reason)
) WITHOUT ROWID;
CREATE TABLE idempotency (
  app INTEGER NOT NULL,
  key TEXT NOT NULL,
  event BLOB NOT NULL,
  digest BLOB NOT NULL,
  accepted_ms INTEGER NOT NULL,
  PRIMARY KEY (app, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (accepted_ms);
CREATE TABLE api_key (
  name TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  scopes INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  revoked_ms INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

// Audiences of several topics, names and a condition; what conditions ask of a device. `app` gets
// the platform that most of its subscribers have their only device on, and how many there are.
constexpr const char* kSecondFormat = R"sql(
ALTER TABLE app ADD COLUMN usual INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN subscribers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN apns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN fcm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN webpush INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN definition BLOB;

CREATE TABLE attribute (
  id INTEGER PRIMARY KEY,
  app INTEGER NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (app, name)
);
CREATE TABLE devmem (k INTEGER PRIMARY KEY, d BLOB NOT NULL);
CREATE TABLE trait (k INTEGER PRIMARY KEY, d BLOB NOT NULL);
CREATE TABLE unusual (k INTEGER PRIMARY KEY, d BLOB NOT NULL);
CREATE TABLE frozen (
  event INTEGER NOT NULL,
  first INTEGER NOT NULL,
  d BLOB NOT NULL,
  PRIMARY KEY (event, first)
) WITHOUT ROWID;
)sql";

// Names come to small tables first (name_levels.h); `meta` knows how many are there, and where
// their next move goes on.
// Events under control: of a refusal of before nobody knows whether it was the token's fault: it is
// taken for one.
constexpr const char* kThirdFormat = R"sql(
CREATE TABLE hx_new (k INTEGER PRIMARY KEY, d BLOB NOT NULL);
CREATE TABLE hx_young (k INTEGER PRIMARY KEY, d BLOB NOT NULL);
ALTER TABLE meta ADD COLUMN new_names INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN new_names_next INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN young_names INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN young_names_next INTEGER NOT NULL DEFAULT 0;

-- Devices that a provider called dead while it said so of too many (quarantine_tables.h).
CREATE TABLE quarantine (
  position INTEGER PRIMARY KEY,
  app INTEGER NOT NULL,
  platform INTEGER NOT NULL,
  dead_since_ms INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX quarantine_app ON quarantine (app);

ALTER TABLE event ADD COLUMN rate_per_second INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN cancelling INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN failure_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE failure ADD COLUMN token_dead INTEGER NOT NULL DEFAULT 0;
UPDATE failure SET token_dead = 1 WHERE outcome = 1;
-- The feed (outcome_log.h): names are of devices whose tokens were removed, and go with the person.
CREATE TABLE outcome (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  app INTEGER NOT NULL,
  event INTEGER,
  platform INTEGER NOT NULL DEFAULT 0,
  position INTEGER NOT NULL DEFAULT 0,
  outcome INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  since_ms INTEGER NOT NULL DEFAULT 0,
  device TEXT,
  subscriber TEXT
);
CREATE INDEX outcome_device ON outcome (app, device) WHERE device IS NOT NULL;
CREATE INDEX outcome_subscriber ON outcome (app, subscriber) WHERE subscriber <> '';
CREATE TABLE outcome_forgotten (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  through INTEGER NOT NULL
);
INSERT INTO outcome_forgotten VALUES (1, 0);
UPDATE job SET failure_rows = (SELECT count(*) FROM failure WHERE failure.event = job.event AND
  failure.platform = job.platform);
)sql";

// What tells later who came after an event: the first subscriber's number of whom it does not know,
// 0 for those of before. How many failures of an ended event the feed has no rows of; null: not
// told.
constexpr const char* kFourthFormat = R"sql(
ALTER TABLE event ADD COLUMN subscribers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outcome ADD COLUMN untold INTEGER;
)sql";

// Step i takes a store of version i to version i + 1: statements, then what they cannot say.
struct Step {
  const char* statements;
  void (*then)(Database&);
};
constexpr std::array<Step, kFormatVersion> kSteps = {{{kFirstFormat, nullptr},
                                                      {kSecondFormat, &count_apps},
                                                      {kThirdFormat, nullptr},
                                                      {kFourthFormat, nullptr}}};

// When several make a store at once, SQLite tells some of them that they are busy, at once and
// whatever the busy wait is: one sets the journal, another recovers it. It is done in a moment.
constexpr int kMigrationAttempts = 1'000;
constexpr std::chrono::milliseconds kMigrationPause{2};

}  // namespace

FileState identify(Database& database) {
  const std::int64_t application = database.pragma("application_id");
  const std::int64_t version = database.pragma("user_version");
  if (application == kApplicationId) {
    if (version > kFormatVersion) {
      fail(Error::Kind::kNewerVersion,
           fmt::format("the store {} has format {}, this Carillon knows up to {}: run the newer "
                       "Carillon that wrote it",
                       database.path(), version, kFormatVersion));
    }
    return FileState::kStore;
  }
  Statement tables(database, "SELECT count(*) FROM sqlite_schema");
  Cursor row = tables.rows();
  row.next();
  if (application != 0 || version != 0 || row.integer(0) != 0) {
    fail(Error::Kind::kCorrupt,
         fmt::format("{} is a database of another program: give the store a path of its own",
                     database.path()));
  }
  return FileState::kEmpty;
}

namespace {

void migrate_once(Database& database) {
  // In one transaction: what is asked one by one may be of before and of after another's first
  // step.
  database.execute("BEGIN");
  FileState state = FileState::kEmpty;
  try {
    state = identify(database);
  } catch (const StoreFailure&) {
    database.rollback();
    throw;
  }
  database.rollback();
  if (state == FileState::kEmpty) {
    database.execute(fmt::format("PRAGMA page_size = {}", kPageBytes));
    // Before the first page is written, or never: free pages can go back to the file system.
    database.execute("PRAGMA auto_vacuum = INCREMENTAL");
  }
  database.execute("PRAGMA journal_mode = WAL");
  for (;;) {
    database.execute("BEGIN IMMEDIATE");
    try {
      identify(database);  // another process may have been here since
      const std::int64_t version = database.pragma("user_version");
      if (version == kFormatVersion) return database.rollback();
      const Step& step = kSteps[static_cast<std::size_t>(version)];
      database.execute(step.statements);
      if (step.then) step.then(database);
      database.execute(fmt::format("PRAGMA application_id = {}", kApplicationId));
      database.execute(fmt::format("PRAGMA user_version = {}", version + 1));
      database.execute("COMMIT");
    } catch (const StoreFailure&) {
      database.rollback();
      throw;
    }
  }
}

}  // namespace

bool can_shrink(Database& database) {
  constexpr std::int64_t kIncremental = 2;
  return database.pragma("auto_vacuum") == kIncremental;
}

void migrate(Database& database) {
  for (int attempt = 1;; ++attempt) {
    try {
      return migrate_once(database);
    } catch (const StoreFailure& failure) {
      if (failure.error.kind != Error::Kind::kBusy || attempt == kMigrationAttempts) throw;
    }
    std::this_thread::sleep_for(kMigrationPause);
  }
}

}  // namespace carillon::store::sqlite
