// SIGKILL while chunks are split, joined, erased and packed, while one file takes another's place,
// while a backup is made: what was acknowledged is there, and nothing is there by half.
//
// When a child dies is drawn from how far it says it has come, never from a clock.
// CARILLON_CRASH_KILLS sets how often each is killed, CARILLON_CRASH_SEED repeats the draws.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <random>

#include "storage/sqlite/database.h"
#include "tests/seeds.h"
#include "tests/storage/store_fixture.h"

namespace carillon::store::upkeep_crash_test {
namespace {

constexpr std::uint32_t kKills = 10;

std::uint32_t kills() {
  return number_from("CARILLON_CRASH_KILLS", kKills);
}

// What a child says. Smaller than PIPE_BUF: written whole.
struct Report {
  enum class What : std::uint32_t { kBegins, kPut, kErased, kSubscribed, kCompacted, kFar, kDone };
  What what = What::kFar;
  What begins = What::kFar;  // of kBegins: what
  std::uint32_t number = 0;
};

class Pipe {
 public:
  Pipe(int end, int answers) : end_(end), answers_(answers) {}
  void say(Report report) const {
    if (::write(end_, &report, sizeof report) != sizeof report) ::_exit(4);
  }
  // Goes on when it is answered.
  void say_and_wait(Report report) const {
    say(report);
    char go_on = 0;
    if (::read(answers_, &go_on, 1) != 1) ::_exit(4);
  }

 private:
  int end_, answers_;
};

// Lets a child go on that waits for it.
class Answers {
 public:
  explicit Answers(int end) : end_(end) {}
  void go_on() const { EXPECT_EQ(::write(end_, "g", 1), 1); }

 private:
  int end_;
};

[[noreturn]] void give_up(const Error& error) {
  std::fprintf(stderr, "the child: %s\n", error.message.c_str());
  ::_exit(5);
}

// Runs `work` in a child and kills it when `is_time(report, answers)` says so; true: it was killed,
// false: it had ended well before. `idle` is asked while nothing is said, if given.
template <class Work, class IsTime>
bool run_and_kill(Work work, IsTime is_time, const std::function<bool()>& idle = {}) {
  int ends[2], answer_ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  EXPECT_EQ(::pipe(answer_ends), 0);
  const pid_t child = ::fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    ::close(ends[0]);
    ::close(answer_ends[1]);
    work(Pipe(ends[1], answer_ends[0]));
    ::_exit(0);
  }
  ::close(ends[1]);
  const Answers answers(answer_ends[1]);
  struct CloseAnswers {
    int (&ends)[2];
    ~CloseAnswers() {
      ::close(ends[0]);
      ::close(ends[1]);
    }
  } const closing{answer_ends};
  bool killed = false;
  const auto kill_now = [&] {
    if (!killed) ::kill(child, SIGKILL);
    killed = true;  // what it had said by then is still in the pipe
  };
  Report report;
  if (idle) {
    // Looks at the file system all the time, and hears of the end at the end.
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
      if (idle()) kill_now();
    }
    while (::read(ends[0], &report, sizeof report) == sizeof report) is_time(report, answers);
    ::close(ends[0]);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
    return WIFSIGNALED(status);
  }
  while (::read(ends[0], &report, sizeof report) == sizeof report) {
    if (is_time(report, answers)) kill_now();
  }
  ::close(ends[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  return WIFSIGNALED(status);
}

constexpr std::uint32_t kPersons = 2'000;
constexpr std::uint32_t kBatch = 60;  // persons

std::string name_of(std::uint32_t person) {
  return "person-" + std::to_string(person);
}
std::string token_of(std::uint32_t person, std::uint32_t version) {
  return "token-" + std::to_string(person) + "-" + std::to_string(version);
}
// Spread over all of them, so that chunks are changed in their middle.
std::uint32_t member(std::uint32_t batch, std::uint32_t i) {
  return (batch * 7'919 + i * 33) % kPersons;
}

class UpkeepCrashTest : public testing::Test {
 protected:
  std::string path() const { return folder_.file("store.db"); }

  static Result<std::vector<Result<Registered>>> put(Store& store,
                                                     const std::vector<std::uint32_t>& persons,
                                                     std::uint32_t version) {
    std::vector<std::string> names, tokens;
    for (const std::uint32_t person : persons) {
      names.push_back(name_of(person));
      tokens.push_back(token_of(person, version));
    }
    const std::string_view topics[] = {"news"};
    std::vector<DeviceRegistration> lines;
    for (std::size_t i = 0; i < names.size(); ++i) {
      lines.push_back({.app = "video",
                       .device = names[i],
                       .token = tokens[i],
                       .subscriber = names[i],
                       .locale = {},
                       .timezone = {},
                       .topics = topics});
    }
    return store.put_devices(lines, 1);
  }
  static std::vector<std::uint32_t> everybody() {
    std::vector<std::uint32_t> persons(kPersons);
    for (std::uint32_t i = 0; i < kPersons; ++i) persons[i] = i;
    return persons;
  }
  static std::vector<std::uint32_t> batch(std::uint32_t number) {
    std::vector<std::uint32_t> persons;
    for (std::uint32_t i = 0; i < kBatch; ++i) persons.push_back(member(number, i));
    return persons;
  }
  void fill() {
    auto store = *open_sqlite_store({.path = path()});
    const auto filled = put(*store, everybody(), 0);
    ASSERT_TRUE(filled) << filled.error().message;
  }
  static void expect_sound(const std::string& file) {
    const auto problems = check_sqlite_store(file, true);
    ASSERT_TRUE(problems) << problems.error().message;
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
  static std::uint64_t devices(const std::string& file) {
    auto store = open_sqlite_store({.path = file, .create = false});
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return 0;
    }
    return (*store)->stats()->devices;
  }

  TemporaryFolder folder_;
  const std::uint32_t seed_ = number_from("CARILLON_CRASH_SEED", std::random_device{}());
  std::mt19937 random_{seed_};
};

// --- splits, erasures, compaction ----------------------------------------------------------------

// One change after the other, until it is killed.
[[noreturn]] void change_without_end(Store& store, const Pipe& pipe, std::uint32_t seed,
                                     std::uint32_t first) {
  using What = Report::What;
  std::mt19937 random(seed);
  CompactionPlace place;
  for (std::uint32_t number = first;; ++number) {
    const std::size_t what = random() % 10;
    if (what < 2) {
      pipe.say({What::kBegins, What::kPut, number});
      std::vector<std::uint32_t> persons;
      for (std::uint32_t i = 0; i < kBatch; ++i) persons.push_back(member(number, i));
      std::vector<std::string> names, tokens;
      const std::string_view topics[] = {"news"};
      std::vector<DeviceRegistration> lines;
      for (const std::uint32_t person : persons) {
        names.push_back(name_of(person));
        tokens.push_back(token_of(person, number));
      }
      for (std::size_t i = 0; i < names.size(); ++i) {
        lines.push_back({.app = "video",
                         .device = names[i],
                         .token = tokens[i],
                         .subscriber = names[i],
                         .locale = {},
                         .timezone = {},
                         .topics = topics});
      }
      const auto put = store.put_devices(lines, 1);
      if (!put) give_up(put.error());
      pipe.say({What::kPut, What::kFar, number});
    } else if (what < 6) {
      const auto person = static_cast<std::uint32_t>(random() % kPersons);
      pipe.say({What::kBegins, What::kErased, person});
      const auto erased = store.erase_subscriber("video", name_of(person));
      if (!erased && erased.error().kind != Error::Kind::kNotFound) give_up(erased.error());
      pipe.say({What::kErased, What::kFar, person});
    } else if (what < 7) {
      const auto person = static_cast<std::uint32_t>(random() % kPersons);
      pipe.say({What::kBegins, What::kSubscribed, person});
      const auto heard = store.subscribe("video", "sports", name_of(person), 1);
      if (!heard) give_up(heard.error());
      pipe.say({What::kSubscribed, What::kFar, person});
    } else {
      const auto step = store.compact(place, 4'096 << random() % 5);
      if (!step) give_up(step.error());
      place = step->end ? CompactionPlace{} : step->place;
      pipe.say({What::kCompacted, What::kFar, 0});
    }
  }
}

TEST_F(UpkeepCrashTest, LosesNothingWhileChunksAreSplitErasedAndPacked) {
  SCOPED_TRACE("CARILLON_CRASH_SEED=" + std::to_string(seed_));
  using What = Report::What;
  fill();
  constexpr std::uint32_t kGone = ~0U;
  std::map<std::uint32_t, std::uint32_t> version;  // of each person's token
  for (std::uint32_t person = 0; person < kPersons; ++person) version[person] = 0;
  std::uint32_t number = 1;
  for (std::uint32_t life = 1; life <= kills() && !HasFailure(); ++life) {
    SCOPED_TRACE("life " + std::to_string(life));
    const std::size_t reports = 1 + random_() % 500;
    const auto seed = static_cast<std::uint32_t>(random_());
    std::size_t heard = 0;
    std::optional<Report> pending;
    const bool killed = run_and_kill(
        [&](const Pipe& pipe) {
          auto store = open_sqlite_store({.path = path(), .exclusive = true});
          if (!store) give_up(store.error());
          change_without_end(**store, pipe, seed, number);
        },
        [&](const Report& report, const Answers&) {
          if (report.what == What::kBegins) pending = report;
          if (report.what == What::kPut) {
            for (const std::uint32_t person : batch(report.number)) version[person] = report.number;
          }
          if (report.what == What::kErased) version[report.number] = kGone;
          if (report.what != What::kBegins) pending.reset();
          return ++heard >= reports;
        });
    ASSERT_TRUE(killed);
    number += 10'000;
    expect_sound(path());
    auto store = *open_sqlite_store({.path = path(), .exclusive = true});
    std::map<std::uint32_t, std::uint32_t> now;
    for (std::uint32_t person = 0; person < kPersons; ++person) {
      const auto device = store->device("video", name_of(person));
      ASSERT_TRUE(device || device.error().kind == Error::Kind::kNotFound);
      now[person] = !device ? kGone
                            : static_cast<std::uint32_t>(
                                  std::stoul(device->token.substr(device->token.rfind('-') + 1)));
    }
    if (now != version && pending) {  // what was on its way happened, whole
      if (pending->begins == What::kErased) version[pending->number] = kGone;
      if (pending->begins == What::kPut) {
        for (const std::uint32_t person : batch(pending->number)) version[person] = pending->number;
      }
    }
    EXPECT_EQ(now, version);
  }
}

// --- one file in the place of another ------------------------------------------------------------

constexpr std::uint64_t kHasTheName = ~0ULL;

// Kills when `<path>.new` has reached a size, or when another file has taken the store's name. What
// an earlier life left there counts, too: it is killed before it begins then.
class ReplacementWatch {
 public:
  ReplacementWatch(std::string path, std::uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {}
  bool operator()() {
    struct stat store {};
    if (::stat(path_.c_str(), &store) == 0) {
      if (inode_ && *inode_ != store.st_ino) return true;
      inode_ = store.st_ino;
    }
    struct stat fresh {};
    return ::stat((path_ + ".new").c_str(), &fresh) == 0 &&
           static_cast<std::uint64_t>(fresh.st_size) >= bytes_;
  }

 private:
  const std::string path_;
  const std::uint64_t bytes_;
  std::optional<ino_t> inode_;
};

TEST_F(UpkeepCrashTest, ABulkLoadIsThereWholeOrNotAtAll) {
  SCOPED_TRACE("CARILLON_CRASH_SEED=" + std::to_string(seed_));
  std::uint64_t whole_bytes = 0;
  std::uint32_t loads = 0, empty = 0;
  for (std::uint32_t life = 0; life <= kills() && !HasFailure(); ++life) {
    SCOPED_TRACE("life " + std::to_string(life));
    std::error_code ignored;
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path() + end, ignored);
    bool done = false;
    // The first one lives, so that it is known what there is to come to.
    ReplacementWatch watch(path(), life % 3 == 0 ? kHasTheName : random_() % whole_bytes);
    run_and_kill(
        [&](const Pipe& pipe) {
          auto load = open_bulk_load({.path = path()});
          if (!load) give_up(load.error());
          if (!*load) ::_exit(6);
          std::vector<std::string> names;
          for (std::uint32_t i = 0; i < kPersons; ++i) names.push_back(name_of(i));
          std::vector<DeviceRegistration> lines;
          std::vector<std::uint64_t> numbers;
          for (const std::string& name : names) {
            lines.push_back({.app = "video",
                             .device = name,
                             .token = name,
                             .subscriber = name,
                             .locale = {},
                             .timezone = {}});
            numbers.push_back(lines.size());
          }
          if (auto added = (*load)->add(lines, numbers, 1); !added) give_up(added.error());
          const auto finished = (*load)->finish([](std::uint64_t, const Result<Registered>&) {});
          if (!finished) give_up(finished.error());
          pipe.say({Report::What::kDone, Report::What::kFar, 0});
        },
        [&](const Report&, const Answers&) { return done = true; },
        [&] { return life != 0 && watch(); });
    if (!std::filesystem::exists(path())) {
      EXPECT_FALSE(done);
      continue;
    }
    std::uint64_t found = 0;
    {
      // Killed before the empty store itself was made, it is made now.
      auto store = open_sqlite_store({.path = path()});
      ASSERT_TRUE(store) << store.error().message;
      found = (*store)->stats()->devices;
    }
    expect_sound(path());
    EXPECT_TRUE(found == kPersons || (found == 0 && !done)) << found;
    ++(found == 0 ? empty : loads);
    if (life == 0) whole_bytes = std::filesystem::file_size(path());
  }
  EXPECT_GT(loads, 0U);
  RecordProperty("empty", static_cast<int>(empty));
}

TEST_F(UpkeepCrashTest, AConversionLeavesTheOldStoreOrTheNewOneWhole) {
  SCOPED_TRACE("CARILLON_CRASH_SEED=" + std::to_string(seed_));
  fill();
  const std::uint64_t bytes = std::filesystem::file_size(path());
  std::uint32_t converted = 0;
  for (std::uint32_t life = 1; life <= kills() && !HasFailure(); ++life) {
    SCOPED_TRACE("life " + std::to_string(life));
    {
      sqlite::Database old(path(), sqlite::Database::Access::kReadWrite);
      old.execute("PRAGMA auto_vacuum = NONE");
      old.execute("VACUUM");
    }
    bool done = false;
    ReplacementWatch watch(path(), life % 3 == 0 ? kHasTheName : random_() % bytes);
    run_and_kill(
        [&](const Pipe& pipe) {
          const auto made = convert_sqlite_store({.path = path()});
          if (!made) give_up(made.error());
          pipe.say({Report::What::kDone, Report::What::kFar, 0});
        },
        [&](const Report&, const Answers&) { return done = true; }, [&] { return watch(); });
    expect_sound(path());
    EXPECT_EQ(devices(path()), kPersons);
    const bool shrinks = (*open_sqlite_store({.path = path()}))->stats()->shrinks;
    EXPECT_TRUE(shrinks || !done);
    converted += shrinks ? 1 : 0;
  }
  RecordProperty("converted", static_cast<int>(converted));
}

// --- backup --------------------------------------------------------------------------------------

TEST_F(UpkeepCrashTest, ABackupIsThereWholeOrNotAtAll) {
  SCOPED_TRACE("CARILLON_CRASH_SEED=" + std::to_string(seed_));
  fill();
  {
    // Several steps of a copy.
    auto store = *open_sqlite_store({.path = path()});
    std::vector<std::string> names;
    for (int i = 0; i < 20'000; ++i) names.push_back("filler-" + std::to_string(i));
    std::vector<DeviceRegistration> lines;
    for (const std::string& name : names) {
      lines.push_back({.app = "video",
                       .device = name,
                       .token = name,
                       .subscriber = {},
                       .locale = {},
                       .timezone = {}});
    }
    ASSERT_TRUE(store->put_devices(lines, 1));
  }
  const std::uint64_t whole = devices(path());
  const std::string target = folder_.file("copy.db");
  std::uint32_t made = 0;
  for (std::uint32_t life = 1; life <= kills() && !HasFailure(); ++life) {
    SCOPED_TRACE("life " + std::to_string(life));
    std::filesystem::remove(target);
    // In the middle of the copy, or at once when it has gone on: in its check, its last steps.
    const std::size_t reports = 1 + random_() % 5;
    const bool after = random_() % 2 == 0;
    std::size_t heard = 0;
    bool done = false;
    run_and_kill(
        [&](const Pipe& pipe) {
          const auto copied =
              backup_sqlite_store(path(), target, [&](std::uint64_t, std::uint64_t) {
                pipe.say_and_wait({Report::What::kFar, Report::What::kFar, 0});
              });
          if (!copied) give_up(copied.error());
          pipe.say({Report::What::kDone, Report::What::kFar, 0});
        },
        [&](const Report& report, const Answers& answers) {
          done = done || report.what == Report::What::kDone;
          if (++heard < reports || after) answers.go_on();
          return heard >= reports;
        });
    if (std::filesystem::exists(target)) {
      ++made;
      expect_sound(target);
      EXPECT_EQ(devices(target), whole);
    } else {
      EXPECT_FALSE(done);
    }
  }
  std::filesystem::remove(target);
  const auto again = backup_sqlite_store(path(), target);
  EXPECT_TRUE(again) << "whatever the broken-off ones left: " << again.error().message;
  EXPECT_FALSE(std::filesystem::exists(target + ".part"));
  RecordProperty("made", static_cast<int>(made));
}

}  // namespace
}  // namespace carillon::store::upkeep_crash_test
