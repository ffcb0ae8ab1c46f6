// A copy of a store, made while it is in use.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/storage/store_fixture.h"

namespace carillon::store::store_backup_test {
namespace {

constexpr int kDevices = 60'000;  // some 3 MiB: more than one step of the copy

class StoreBackup : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_sqlite_store({.path = path_});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  bool put(const std::string& name) {
    const std::string token = "token-" + name;
    const std::string_view topics[] = {"news"};
    return store_
        ->put_device({.app = "video",
                      .device = name,
                      .platform = Platform::kFcm,
                      .token = token,
                      .subscriber = {},
                      .locale = "de",
                      .timezone = {},
                      .topics = topics},
                     1000)
        .has_value();
  }
  void put_old_devices() {
    std::vector<std::string> names, tokens;
    for (int i = 0; i < kDevices; ++i) {
      names.push_back("old-" + std::to_string(i));
      tokens.push_back("token-" + names.back());
    }
    std::vector<DeviceRegistration> devices(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      devices[i].app = "video";
      devices[i].device = names[i];
      devices[i].platform = Platform::kFcm;
      devices[i].token = tokens[i];
    }
    const auto put = store_->put_devices(devices, 1000);
    ASSERT_TRUE(put) << put.error().message;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.file("copies"))) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.file("store.db");
  const std::string target_ = [this] {
    std::filesystem::create_directory(folder_.file("copies"));
    return folder_.file("copies/copy.db");
  }();
  std::unique_ptr<Store> store_;
};

TEST_F(StoreBackup, IsTheStoreOfOneMomentWhileOthersWrite) {
  ASSERT_NO_FATAL_FAILURE(put_old_devices());
  std::atomic<bool> stop = false;
  std::atomic<int> written = 0;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      if (put("new-" + std::to_string(i))) ++written;
    }
  });
  while (written == 0) std::this_thread::yield();
  std::uint64_t told = 0, total = 0;
  int during = 0;  // what is written between the first and the last look at the progress
  const auto bytes =
      backup_sqlite_store(path_, target_, [&](std::uint64_t done, std::uint64_t all) {
        EXPECT_GE(done, told);
        told = done;
        total = all;
        // Not before somebody has written in the middle of the copy.
        for (const int before = written; written == before;) std::this_thread::yield();
        ++during;
      });
  stop = true;
  writer.join();
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_GT(during, 1);
  EXPECT_EQ(told, total);
  EXPECT_EQ(*bytes, std::filesystem::file_size(target_));
  EXPECT_EQ(files(), std::vector<std::string>{"copy.db"}) << "nothing else stays";

  const auto faults = check_sqlite_store(target_, true);
  ASSERT_TRUE(faults) << faults.error().message;
  EXPECT_TRUE(faults->empty()) << faults->front();
  auto copy = open_sqlite_store({.path = target_, .create = false});
  ASSERT_TRUE(copy) << copy.error().message;
  for (int i = 0; i < kDevices; i += 97) {
    EXPECT_TRUE((*copy)->device("video", "old-" + std::to_string(i)));
  }
  const std::uint64_t copied = (*copy)->stats()->devices;
  EXPECT_GT(copied, std::uint64_t{kDevices});
  EXPECT_LT(copied, static_cast<std::uint64_t>(kDevices + written));
}

TEST_F(StoreBackup, IsReadByItsOwnerOnly) {
  ASSERT_TRUE(backup_sqlite_store(path_, target_));
  struct stat info {};
  ASSERT_EQ(::stat(target_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(StoreBackup, ReplacesNoFile) {
  std::ofstream(target_) << "somebody's";
  const auto answer = backup_sqlite_store(path_, target_);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Error::Kind::kInvalid);
  EXPECT_NE(answer.error().message.find("is there already"), std::string::npos);
  std::string text;
  std::ifstream(target_) >> text;
  EXPECT_EQ(text, "somebody's");
  EXPECT_EQ(files(), std::vector<std::string>{"copy.db"});
}

TEST_F(StoreBackup, ReplacesWhatABrokenOffOneLeft) {
  std::ofstream(target_ + ".part") << "half";
  ASSERT_TRUE(backup_sqlite_store(path_, target_));
  EXPECT_EQ(files(), std::vector<std::string>{"copy.db"});
}

TEST_F(StoreBackup, NamesWhatKeepsItFromWriting) {
  const auto answer = backup_sqlite_store(path_, folder_.file("nowhere/copy.db"));
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message.find("nowhere/copy.db.part cannot be opened: No such file"),
            std::string::npos)
      << answer.error().message;
}

TEST_F(StoreBackup, CopiesNothingThatIsNoStore) {
  const auto missing = backup_sqlite_store(folder_.file("nothing.db"), target_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, Error::Kind::kNotFound);
  std::ofstream(folder_.file("letter.txt")) << std::string(10'000, 'x');
  const auto letter = backup_sqlite_store(folder_.file("letter.txt"), target_);
  ASSERT_FALSE(letter);
  EXPECT_EQ(letter.error().kind, Error::Kind::kCorrupt);
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace carillon::store::store_backup_test
