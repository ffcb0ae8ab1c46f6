// Sorts the members of all topics by topic, outside of memory. They arrive with ascending
// subscribers, so a run is sorted by topic alone, and a topic's members are those of the first run,
// then those of the second, and so on.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "storage/sqlite/temporary_file.h"

namespace carillon::store::sqlite {

class MemberRuns {
 public:
  // `run_entries`: members sorted in memory at a time, 8 bytes each, twice.
  explicit MemberRuns(const std::string& folder, std::size_t run_entries = std::size_t{1} << 20)
      : run_entries_(run_entries), file_(folder) {}

  // Subscribers must not fall from call to call.
  void add(std::uint32_t topic, std::uint32_t subscriber) {
    run_.push_back(std::uint64_t{topic} << 32 | subscriber);
    if (run_.size() >= run_entries_) spill();
  }

  // Calls visit(topic, subscribers) for each topic, topics and subscribers ascending, one or more
  // times a topic. Once.
  template <class Visit>
  void each(Visit visit) {
    spill();
    std::vector<Reader> readers;
    for (std::size_t run = 0; run + 1 < run_ends_.size(); ++run) {
      readers.emplace_back(file_, run_ends_[run], run_ends_[run + 1]);
    }
    std::vector<std::uint64_t> heads;  // topic << 32 | run: the order in which they are taken
    const auto push = [&](std::size_t run) {
      if (readers[run].done()) return;
      heads.push_back(readers[run].head() >> 32 << 32 | run);
      std::push_heap(heads.begin(), heads.end(), std::greater<>());
    };
    for (std::size_t run = 0; run < readers.size(); ++run) push(run);
    std::vector<std::uint32_t> subscribers;
    while (!heads.empty()) {
      std::pop_heap(heads.begin(), heads.end(), std::greater<>());
      const auto topic = static_cast<std::uint32_t>(heads.back() >> 32);
      const auto run = static_cast<std::uint32_t>(heads.back());
      heads.pop_back();
      Reader& reader = readers[run];
      for (; !reader.done() && reader.head() >> 32 == topic; reader.pass()) {
        subscribers.push_back(static_cast<std::uint32_t>(reader.head()));
        if (subscribers.size() < kReadEntries) continue;
        visit(topic, std::span<const std::uint32_t>(subscribers));
        subscribers.clear();
      }
      if (!subscribers.empty()) visit(topic, std::span<const std::uint32_t>(subscribers));
      subscribers.clear();
      push(run);
    }
  }

 private:
  static constexpr std::size_t kReadEntries = 4096;  // of each run while merging: 32 KiB

  class Reader {
   public:
    Reader(const TemporaryFile& file, std::uint64_t begin, std::uint64_t end)
        : file_(&file), begin_(begin), end_(end) {
      fill();
    }
    bool done() const { return at_ == buffer_.size(); }
    std::uint64_t head() const { return buffer_[at_]; }
    void pass() {
      if (++at_ == buffer_.size()) fill();
    }

   private:
    void fill() {
      const std::uint64_t entries = std::min<std::uint64_t>(end_ - begin_, kReadEntries);
      buffer_.resize(entries);
      if (entries > 0) file_->read(begin_ * 8, buffer_.data(), entries * 8);
      begin_ += entries;
      at_ = 0;
    }
    const TemporaryFile* file_;
    std::uint64_t begin_, end_;  // entries of the file that are still to be read
    std::vector<std::uint64_t> buffer_;
    std::size_t at_ = 0;
  };

  void spill() {
    if (run_.empty()) return;
    sort_by_topic();
    file_.append({reinterpret_cast<const char*>(run_.data()), run_.size() * 8});
    run_ends_.push_back(file_.size() / 8);
    run_.clear();
  }

  // Stable, as subscribers ascend already: byte by byte of the topic, the lowest first, as far as
  // the run's largest topic has any.
  void sort_by_topic() {
    std::uint64_t all = 0;  // every bit that some topic has
    for (const std::uint64_t entry : run_) all |= entry;
    other_.resize(run_.size());
    for (int shift = 32; shift < 64 && all >> shift != 0; shift += 8) {
      std::array<std::size_t, 256> ends{};
      for (const std::uint64_t entry : run_) ++ends[entry >> shift & 0xff];
      std::size_t sum = 0;
      for (std::size_t& end : ends) sum += std::exchange(end, sum);
      for (const std::uint64_t entry : run_) other_[ends[entry >> shift & 0xff]++] = entry;
      run_.swap(other_);
    }
  }

  const std::size_t run_entries_;
  TemporaryFile file_;
  std::vector<std::uint64_t> run_, other_;
  std::vector<std::uint64_t> run_ends_{0};  // entries of the file
};

}  // namespace carillon::store::sqlite
