// What the parts of the gate share: `gate.cc` starts and stops it, `gate_watch.cc` is its thread,
// `gate_work.cc` its workers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "relay/api/connection.h"
#include "relay/api/gate.h"
#include "relay/api/gate_queues.h"
#include "relay/api/reply_writer.h"

namespace carillon::api {

class Gate::Impl {
 public:
  Impl(const GateLimits& limits, Desk& desk);
  ~Impl();

  void start(Listener listener);
  void stop(std::chrono::milliseconds grace);
  GateStats stats() const;

 private:
  using Steady = std::chrono::steady_clock;

  // --- the gate's thread ---
  void watch();
  void accept_all();
  void accept_one(int fd);
  void on_ready(Connection& connection);
  void receive(Connection& connection);
  void go_on(Connection& connection);
  void find_head(Connection& connection);
  void find_body(Connection& connection);
  void write_on(Connection& connection);
  void after_answer(Connection& connection);
  void refuse_here(Connection& connection, Problem problem, std::string_view detail);
  void wait_for(Connection& connection, std::uint32_t events);
  void hand_to_worker(Connection& connection, Stage stage);
  void take_back();
  void close_connection(Connection& connection);
  void bury();
  void sweep(Steady::time_point now);
  void sweep_one(Connection& connection);
  void listen_again();
  bool draining(Steady::time_point now);

  // --- the workers ---
  void work(ReadyQueue::Place& place);
  // kLeave: the desk has it, and it must not be touched any more.
  enum class Next : std::uint8_t { kGiveBack, kLeave };
  Next serve(Connection& connection, ReplyWriter& writer);
  Next admit(Connection& connection, ReplyWriter& writer);
  Next begin_body(Connection& connection, ReplyWriter& writer);
  Next answer(Connection& connection, ReplyWriter& writer);
  Next answer_stream(Connection& connection, ReplyWriter& writer);
  Next settle(Connection& connection, ReplyWriter& writer);
  Next finish(Connection& connection, ReplyWriter& writer, const Reply& reply, bool close);
  void give_back(Connection& connection);

  // --- any of them ---
  bool charge_body(Connection& connection, std::uint64_t bytes);
  // The body is there: it is charged for what it has.
  void trim_charge(Connection& connection) {
    const std::uint64_t bytes = connection.body.size();
    if (connection.charge > bytes) buffered_ -= std::exchange(connection.charge, bytes) - bytes;
  }
  void release_body(Connection& connection) { buffered_ -= std::exchange(connection.charge, 0); }
  void wake() const;

  const GateLimits limits_;
  Desk& desk_;
  Listener listener_;
  int epoll_ = -1;
  int wake_ = -1;

  // The gate's thread only.
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> closed_;
  std::vector<Connection*> taken_back_;
  ReplyWriter writer_;
  bool listening_ = true;
  Steady::time_point next_sweep_{};

  ReadyQueue ready_;
  ReturnTray returned_;

  std::atomic<bool> stopping_{false};
  std::atomic<Steady::time_point::rep> cut_at_{0};
  std::atomic<std::uint64_t> buffered_{0};  // bytes promised to bodies that are kept whole
  std::atomic<std::size_t> streams_{0};
  std::atomic<std::uint64_t> open_{0}, accepted_{0}, overflowed_{0}, timed_out_{0};

  std::mutex stop_mutex_;
  std::thread watcher_;
  std::deque<ReadyQueue::Place> places_;  // one for each worker
  std::vector<std::thread> workers_;
};

}  // namespace carillon::api
