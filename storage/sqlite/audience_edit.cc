#include "storage/sqlite/audience_edit.h"

namespace carillon::store::sqlite {
namespace {

constexpr std::size_t kCachedRowsMax = 100'000;  // rows; some 10 MiB

}  // namespace

AudienceEdit::AudienceEdit(Database& database, const NameLimits& limits)
    : database_(database),
      tables_(database),
      hot_(database, "hot"),
      members_(database, "mem"),
      unusual_(database, "unusual"),
      device_members_(database, "devmem"),
      traits_(database, "trait"),
      names_(database, limits),
      trait_at_(database),
      hot_at_(database),
      texts_(database),
      trait_encoder_(database),
      outcomes_(database),
      quarantine_(database),
      data_version_(database, "PRAGMA data_version"),
      meta_row_(database,
                "SELECT clock, next_subscriber, devices, subscribers, topics, probe, new_names, "
                "new_names_next, young_names, young_names_next FROM meta"),
      write_meta_(database,
                  "UPDATE meta SET clock = ?, next_subscriber = ?, devices = ?, subscribers = ?, "
                  "topics = ?, probe = ?, new_names = ?, new_names_next = ?, young_names = ?, "
                  "young_names_next = ?"),
      oldest_(database, "SELECT min(frozen) FROM job WHERE state <= 3"),
      insert_app_(database, "INSERT INTO app (name) VALUES (?) RETURNING id"),
      insert_topic_(database,
                    "INSERT INTO topic (app, name, subscribers, apns, fcm, webpush) "
                    "VALUES (?, ?, 0, 0, 0, 0) RETURNING id"),
      topic_by_id_(database, "SELECT subscribers, apns, fcm, webpush FROM topic WHERE id = ?"),
      update_topic_(database,
                    "UPDATE topic SET subscribers = ?2, apns = ?3, fcm = ?4, webpush = ?5 "
                    "WHERE id = ?1"),
      put_subscriber_(database, "INSERT OR REPLACE INTO sub (k, d) VALUES (?, ?)"),
      erase_subscriber_(database, "DELETE FROM sub WHERE k = ?"),
      app_by_id_(database, "SELECT usual, subscribers, apns, fcm, webpush FROM app WHERE id = ?"),
      update_app_(database,
                  "UPDATE app SET usual = ?2, subscribers = ?3, apns = ?4, fcm = ?5, webpush = ?6 "
                  "WHERE id = ?1"),
      walk_(database, "SELECT k, d FROM sub WHERE k > ? ORDER BY k LIMIT ?"),
      put_quarantine_(database, "INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)"),
      erase_quarantine_(database, "DELETE FROM quarantine WHERE position = ?") {}

// --- the transaction -----------------------------------------------------------------------------

void AudienceEdit::begin() {
  std::int64_t version = 0;
  {
    Cursor row = data_version_.rows();
    row.next();
    version = row.integer(0);
  }
  const bool crowded =
      apps_.size() + texts_.size() + topics_.size() + trait_encoder_.size() + topic_rows_.size() >
      kCachedRowsMax;
  if (version != seen_version_ || crowded) {
    forget();
    load_meta();
    seen_version_ = version;
  }
  Cursor row = oldest_.rows();
  oldest_running_ = row.next() && !row.null(0) ? row.natural(0) : kNoneRunning;
}

void AudienceEdit::load_meta() {
  Cursor row = meta_row_.rows();
  if (!row.next()) fail_corrupt("its counters");
  meta_ = {.clock = row.natural(0),
           .next_subscriber = row.natural(1),
           .devices = row.natural(2),
           .subscribers = row.natural(3),
           .topics = row.natural(4),
           .probe = row.natural(5),
           .names = {{{.entries = row.natural(6), .next = row.natural(7)},
                      {.entries = row.natural(8), .next = row.natural(9)}}}};
  stored_meta_ = request_meta_ = meta_;
}

void AudienceEdit::finish() {
  names_.settle(meta_.names);
  if (meta_ == stored_meta_) return;
  write_meta_.run(meta_.clock, meta_.next_subscriber, meta_.devices, meta_.subscribers,
                  meta_.topics, meta_.probe, meta_.names[0].entries, meta_.names[0].next,
                  meta_.names[1].entries, meta_.names[1].next);
  stored_meta_ = meta_;
}

void AudienceEdit::forget_request() {
  tables_.close_cursors();
  trait_at_.restart();
  hot_at_.restart();
  meta_ = request_meta_;
  apps_.clear();
  texts_.forget();
  topics_.clear();
  trait_encoder_.forget();
  topic_rows_.clear();
  app_rows_.clear();
  forget_looked_up();
  device_edits_.clear();
  name_edits_.clear();
  trait_edits_.clear();
  quarantine_edits_.clear();
  member_edits_.clear();
  unusual_edits_.clear();
  device_member_edits_.clear();
  changed_topics_.clear();
  changed_apps_.clear();
}

void AudienceEdit::forget() {
  forget_request();
  seen_version_ = -1;
  erased_ = false;
}

std::uint64_t AudienceEdit::freeze() {
  return meta_.clock++;
}

void AudienceEdit::probe() {
  ++meta_.probe;
}

}  // namespace carillon::store::sqlite
