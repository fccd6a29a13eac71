#include "threads.h"

#include <chrono>
#include <stdexcept>
#ifdef _WIN32
#include <process.h>
#else
#include <unistd.h>
#endif

namespace seatrial {
namespace {

constexpr int kSpinForLeaversMicroseconds = 30;

long process_id() {
#ifdef _WIN32
  return _getpid();
#else
  return getpid();
#endif
}

}  // namespace

int64_t Bell::now_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

void Bell::pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

Threads::Threads(int count)
    : count_(count), owner_process_(process_id()), sleeping_(std::make_unique<Sleeping>()) {
  sleeping_->workers.reserve(static_cast<size_t>(count - 1));
  try {
    for (int thread = 1; thread < count; ++thread) {
      sleeping_->workers.emplace_back([this, thread] { work(thread); });
    }
  } catch (...) {
    stop();
    throw;
  }
}

Threads::~Threads() {
  // A forked child has the handles but not the threads: joining them, or freeing what they sleep on, would hang.
  if (process_id() == owner_process_) stop();
  else static_cast<void>(sleeping_.release());
}

void Threads::start(Call call, const void* context) {
  if (count_ > 1 && process_id() != owner_process_) {
    throw std::runtime_error("this process was forked after its threads were started; make a new decoder in it");
  }
  call_ = call;
  context_ = context;
  first_stage_ = static_cast<uint32_t>(state_.load() >> 32);
  open_.store(true);
  job_.fetch_add(1);
  sleeping_->jobs.ring();
  Walk walk(*this, 0);
  call(context, walk);
  open_.store(false);
  sleeping_->stages.wait([this] { return inside_.load() == 0; }, kSpinForLeaversMicroseconds);
}

void Threads::work(int thread) {
  uint32_t seen = 0;
  while (true) {
    sleeping_->jobs.wait([&] { return stopping_.load() || job_.load() != seen; }, 0);
    if (stopping_.load()) return;
    // Whoever is counted before the job closes is waited for; whoever comes later finds it closed and stays out.
    inside_.fetch_add(1);
    seen = job_.load();
    if (open_.load()) {
      Walk walk(*this, thread);
      call_(context_, walk);
    }
    if (inside_.fetch_sub(1) == 1) sleeping_->stages.ring();
  }
}

void Threads::stop() {
  stopping_.store(true);
  sleeping_->jobs.ring();
  for (auto& worker : sleeping_->workers) worker.join();
}

}  // namespace seatrial
