// A few threads that walk through one job side by side.
//
// A job is a chain of stages; a stage is a number of pieces. Every thread goes through the same chain (`Walk::share`),
// takes pieces of the stage at hand and moves on when all of them are done, whoever did them. So nobody waits for a
// thread that the system took away or has not woken yet, unless it holds a piece: the others do its part.
// Threads wait briefly spinning, then asleep; between jobs they sleep.

#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace seatrial {

// Where threads sleep until something has changed.
class Bell {
 public:
  // Returns when `changed()`. It is looked at for `spin_us` before sleeping.
  template <typename Changed>
  void wait(const Changed& changed, int spin_us) {
    if (spun(changed, spin_us)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    // Counted before the last look, as `ring` looks after the change: one of the two sees the other.
    sleepers_.fetch_add(1);
    rung_.wait(lock, changed);
    sleepers_.fetch_sub(1);
  }

  // After the change.
  void ring() {
    if (sleepers_.load() == 0) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    rung_.notify_all();
  }

 private:
  template <typename Changed>
  static bool spun(const Changed& changed, int spin_us) {
    constexpr int kLooksBetweenClockReads = 16;
    if (changed()) return true;
    for (const int64_t end = now_us() + spin_us; spin_us > 0 && now_us() < end;) {
      for (int look = 0; look < kLooksBetweenClockReads; ++look) {
        if (changed()) return true;
        pause_briefly();
      }
    }
    return false;
  }
  static int64_t now_us();
  static void pause_briefly();

  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable rung_;
};

class Walk;

class Threads {
 public:
  // `count` includes the caller of `run`; the others are started here. Throws std::system_error where the system
  // gives none.
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return count_; }

  // body(walk) on every thread that comes in time, the caller's for certain. One job at a time; `body` must not throw
  // and must `share` the same totals on every thread. Throws std::runtime_error in a process forked after
  // construction: the threads are not in it.
  template <typename Body>
  void run(const Body& body) {
    start([](const void* context, Walk& walk) noexcept { (*static_cast<const Body*>(context))(walk); }, &body);
  }

 private:
  friend class Walk;
  using Call = void (*)(const void* context, Walk& walk) noexcept;
  void start(Call call, const void* context);
  void work(int thread);
  void stop();

  // On the heap, because a forked child must leave it alone.
  struct Sleeping {
    Bell jobs;
    Bell stages;
    std::vector<std::thread> workers;
  };

  const int count_;
  const long owner_process_;
  std::unique_ptr<Sleeping> sleeping_;

  // The job: written before `open_` becomes true, read by threads that found it so after counting themselves in.
  Call call_ = nullptr;
  const void* context_ = nullptr;
  uint32_t first_stage_ = 0;
  std::atomic<uint32_t> job_{0};
  std::atomic<bool> open_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> inside_{0};

  // The stage at hand in the upper half, its next free piece in the lower one.
  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<int> done_{0};
};

// One thread's way through a job.
class Walk {
 public:
  Walk(Threads& threads, int thread) : threads_(threads), thread_(thread), stage_(threads.first_stage_) {}

  int thread() const { return thread_; }

  // The next stage: part(first, last) until all of [0, total) is done. What was done in it, by any thread, is seen by
  // all when this returns. Parts shrink towards the end, so that the last ones finish together.
  template <typename Part>
  void share(int total, const Part& part) {
    if (total < 1) return;
    const uint32_t stage = stage_++;
    uint64_t state = threads_.state_.load(std::memory_order_acquire);
    while (stage_of(state) == stage) {
      const int first = piece_of(state);
      if (first >= total) {
        threads_.sleeping_->stages.wait([&] { return stage_of(threads_.state_.load()) != stage; }, kSpinMicroseconds);
        return;
      }
      const int size = size_of_part(total - first);
      if (!threads_.state_.compare_exchange_weak(state, state + static_cast<uint64_t>(size), std::memory_order_acq_rel,
                                                 std::memory_order_acquire)) {
        continue;
      }
      part(first, first + size);
      if (threads_.done_.fetch_add(size, std::memory_order_acq_rel) + size == total) return pass_on(stage + 1);
      state = threads_.state_.load(std::memory_order_acquire);
    }
  }

 private:
  static constexpr int kSpinMicroseconds = 30;
  static uint32_t stage_of(uint64_t state) { return static_cast<uint32_t>(state >> 32); }
  static int piece_of(uint64_t state) { return static_cast<int>(state & 0xffffffff); }
  int size_of_part(int left) const {
    return threads_.count_ == 1 ? left : std::max(1, left / (4 * threads_.count_));
  }
  void pass_on(uint32_t stage) {
    threads_.done_.store(0, std::memory_order_relaxed);
    threads_.state_.store(static_cast<uint64_t>(stage) << 32);
    threads_.sleeping_->stages.ring();
  }

  Threads& threads_;
  const int thread_;
  uint32_t stage_;
};

}  // namespace seatrial
