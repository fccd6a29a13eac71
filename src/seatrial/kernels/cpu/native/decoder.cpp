#include "decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "carver.h"
#include "pass.h"

namespace seatrial {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

void expect_shape(const std::string& name, const Matrix& matrix, int rows, int columns) {
  const Weight& weight = matrix->weight();
  if (weight.rows == rows && weight.columns == columns) return;
  refuse("`" + name + "` is " + std::to_string(weight.rows) + " x " + std::to_string(weight.columns) +
         "; the configuration says " + std::to_string(rows) + " x " + std::to_string(columns) + ".");
}

void expect_size(const std::string& name, const std::vector<float>& values, int size) {
  if (values.size() == static_cast<size_t>(size)) return;
  refuse("`" + name + "` has " + std::to_string(values.size()) + " numbers; the configuration says " +
         std::to_string(size) + ".");
}

void expect_sizes(const Model& m) {
  constexpr int kLargestHead = 1024;
  if (m.vocab_size < 1 || m.hidden < 1 || m.inner < 1 || m.heads < 1 || m.kv_heads < 1 || m.layers.empty()) {
    refuse("A model needs at least one token, layer and head, and sizes above 0.");
  }
  if (m.heads % m.kv_heads != 0) {
    refuse(std::to_string(m.heads) + " query heads are not a multiple of " + std::to_string(m.kv_heads) +
           " key-value heads.");
  }
  if (m.head_dim < 16 || m.head_dim % 16 != 0 || m.head_dim > kLargestHead) {
    refuse("Heads of " + std::to_string(m.head_dim) + " numbers; the native kernels take multiples of 16 up to 1,024.");
  }
}

void expect_consistent(const Model& m) {
  expect_sizes(m);
  const int queries = m.heads * m.head_dim, keys = m.kv_heads * m.head_dim;
  expect_shape("embedding", m.embedding, m.vocab_size, m.hidden);
  expect_shape("output", m.output, m.vocab_size, m.hidden);
  expect_size("norm", m.norm, m.hidden);
  expect_size("frequencies", m.frequencies, m.head_dim / 2);
  for (size_t index = 0; index < m.layers.size(); ++index) {
    const Layer& layer = m.layers[index];
    const std::string at = "layers[" + std::to_string(index) + "].";
    expect_size(at + "attention_norm", layer.attention_norm, m.hidden);
    expect_shape(at + "qkv", layer.qkv, queries + 2 * keys, m.hidden);
    expect_shape(at + "output", layer.output, m.hidden, queries);
    expect_size(at + "mlp_norm", layer.mlp_norm, m.hidden);
    expect_shape(at + "gate_up", layer.gate_up, 2 * m.inner, m.hidden);
    expect_shape(at + "down", layer.down, m.hidden, m.inner);
  }
}

size_t widest_row(const Model& m) {
  return static_cast<size_t>(std::max({m.hidden, m.inner, m.heads * m.head_dim}));
}

}  // namespace

Decoder::Decoder(Model model, const Kernels& kernels, int threads)
    : model_(std::move(model)), kernels_(kernels), num_threads_(threads) {
  constexpr int kMostThreads = 1024;
  if (threads < 1 || threads > kMostThreads) {
    refuse("`threads` is " + std::to_string(threads) + "; it must be from 1 to 1,024.");
  }
  expect_consistent(model_);
  threads_ = std::make_unique<Threads>(threads);
}

size_t Decoder::block_bytes(CacheFormat format) const {
  const size_t head = static_cast<size_t>(model_.head_dim);
  const size_t position = format == CacheFormat::bf16 ? head * 2 : head + sizeof(float);
  return 2 * model_.layers.size() * static_cast<size_t>(model_.kv_heads) * kBlockTokens * position;
}

void Decoder::allocate(int num_blocks, CacheFormat format) {
  const std::lock_guard<std::mutex> lock(busy_);
  if (threads_ == nullptr) throw std::runtime_error("The decoder is closed.");
  if (num_blocks < 1) refuse("`num_blocks` is " + std::to_string(num_blocks) + "; it must be at least 1.");
  const size_t per_block = block_bytes(format), blocks = static_cast<size_t>(num_blocks);
  if (blocks > SIZE_MAX / 2 / per_block) throw std::bad_alloc();
  caches_.clear();
  cache_ = Buffer();
  cache_ = Buffer(blocks * per_block);
  const size_t positions = blocks * static_cast<size_t>(model_.kv_heads) * kBlockTokens;
  const size_t numbers = positions * static_cast<size_t>(model_.head_dim);
  Carver carver(cache_.data());
  for (size_t layer = 0; layer < model_.layers.size(); ++layer) {
    LayerCache cache{format, model_.kv_heads, model_.head_dim, nullptr, nullptr, nullptr, nullptr};
    const size_t bytes = numbers * (format == CacheFormat::bf16 ? 2 : 1);
    cache.keys = carver.take<uint8_t>(bytes);
    cache.values = carver.take<uint8_t>(bytes);
    if (format == CacheFormat::int8) {
      cache.key_scales = carver.take<float>(positions);
      cache.value_scales = carver.take<float>(positions);
    }
    caches_.push_back(cache);
  }
  num_blocks_ = num_blocks;
}

std::shared_ptr<Buffer> Decoder::forward(const Step& step) {
  const std::unique_lock<std::mutex> lock(busy_, std::try_to_lock);
  if (!lock.owns_lock()) throw std::runtime_error("The decoder computes a step for another thread.");
  if (threads_ == nullptr) throw std::runtime_error("The decoder is closed.");
  if (caches_.empty()) throw std::runtime_error("The decoder has no cache yet; call `allocate` first.");
  check(step);
  reserve(step);
  if (step.tokens > 0) {
    threads_->run([this, &step](Walk& walk) { Pass(*this, step, walk).run(); });
  }
  return result_;
}

int Decoder::result_width(const Step& step) const {
  return step.result == Result::scores ? model_.vocab_size : model_.hidden;
}

void Decoder::close() {
  const std::lock_guard<std::mutex> lock(busy_);
  threads_.reset();
  caches_.clear();
  cache_ = Buffer();
  space_ = Buffer();
  scratch_ = Buffer();
  attend_shared_ = Buffer();
  result_.reset();
  model_.embedding.reset();
  model_.output.reset();
  model_.layers.clear();
}

void Decoder::check(const Step& step) const {
  const int32_t* starts = step.starts;
  if (step.sequences < 0 || starts[0] != 0 || starts[step.sequences] != step.tokens) {
    refuse("`starts` must begin with 0 and end with the " + std::to_string(step.tokens) + " tokens of the pass.");
  }
  for (int sequence = 0; sequence < step.sequences; ++sequence) {
    if (starts[sequence] > starts[sequence + 1]) refuse("`starts` must not fall.");
  }
  for (int token = 0; token < step.tokens; ++token) {
    if (step.ids[token] < 0 || step.ids[token] >= model_.vocab_size) {
      refuse("Token id " + std::to_string(step.ids[token]) + " is outside the vocabulary of " +
             std::to_string(model_.vocab_size) + ".");
    }
  }
  for (int sequence = 0; sequence < step.sequences; ++sequence) check_sequence(step, sequence);
  check_places(step);
  for (int row = 0; row < step.rows; ++row) {
    if (step.wanted[row] < 0 || step.wanted[row] >= step.tokens) {
      refuse("Row " + std::to_string(step.wanted[row]) + " is wanted of a pass of " + std::to_string(step.tokens) +
             " tokens.");
    }
  }
}

void Decoder::check_sequence(const Step& step, int sequence) const {
  int32_t before = -1;
  for (int token = step.starts[sequence]; token < step.starts[sequence + 1]; ++token) {
    const int32_t position = step.positions[token];
    if (position <= before) {
      refuse("Positions of a sequence must rise from 0 up; " + std::to_string(position) + " follows " +
             std::to_string(before) + ".");
    }
    before = position;
  }
  if (before < 0) return;
  const int blocks = before / kBlockTokens + 1;
  if (blocks > step.table_width) {
    refuse("Position " + std::to_string(before) + " needs " + std::to_string(blocks) +
           " blocks; `tables` has room for " + std::to_string(step.table_width) + ".");
  }
  const int32_t* table = step.tables + static_cast<ptrdiff_t>(sequence) * step.table_width;
  for (int b = 0; b < blocks; ++b) {
    if (table[b] < 0 || table[b] >= num_blocks_) {
      refuse("Block " + std::to_string(table[b]) + " of a sequence is outside the cache of " +
             std::to_string(num_blocks_) + " blocks.");
    }
  }
}

// They rise, so that no two threads write one token.
void Decoder::check_places(const Step& step) const {
  int32_t before = -1;
  for (int i = 0; i < step.given; ++i) {
    if (step.places[i] <= before || step.places[i] >= step.tokens) {
      refuse("`places` must rise within the " + std::to_string(step.tokens) + " tokens of the pass; " +
             std::to_string(step.places[i]) + " follows " + std::to_string(before) + ".");
    }
    before = step.places[i];
  }
}

void Decoder::reserve(const Step& step) {
  const int needed = std::max(step.tokens, step.rows);
  if (needed > capacity_ || capacity_ == 0) {
    capacity_ = 0;
    const int capacity = std::max(needed, 16);
    carve(nullptr, capacity);
    space_ = Buffer();
    space_ = Buffer(carved_);
    carve(space_.data(), capacity);
    capacity_ = capacity;
  }
  sequence_of_.resize(static_cast<size_t>(step.tokens));
  for (int sequence = 0; sequence < step.sequences; ++sequence) {
    std::fill(sequence_of_.begin() + step.starts[sequence], sequence_of_.begin() + step.starts[sequence + 1], sequence);
  }
  const size_t result = static_cast<size_t>(step.rows) * static_cast<size_t>(result_width(step)) * sizeof(float);
  if (result_ == nullptr || result_->bytes() < result) result_ = std::make_shared<Buffer>(result);
  if (step.tokens == 0) return;
  scratch_stride_ = (kernels_.attend_scratch(caches_[0], queries_of(step)) + 15) / 16 * 16;
  const size_t scratch = scratch_stride_ * static_cast<size_t>(num_threads_) * sizeof(float);
  if (scratch_.bytes() < scratch) scratch_ = Buffer(scratch + scratch / 2);
  const size_t shared = kernels_.attend_shared == nullptr ? 0 : kernels_.attend_shared(caches_[0], queries_of(step));
  if (attend_shared_.bytes() < shared) attend_shared_ = Buffer(shared + shared / 2);
  attend_tasks_ = kernels_.attend_tasks(caches_[0], queries_of(step));
}

void Decoder::carve(uint8_t* base, int capacity) {
  const size_t tokens = static_cast<size_t>(capacity);
  const size_t queries = static_cast<size_t>(model_.heads * model_.head_dim);
  const size_t keys = static_cast<size_t>(model_.kv_heads * model_.head_dim);
  const size_t numbers = tokens * widest_row(model_);
  Carver carver(base);
  hidden_ = carver.take<float>(tokens * static_cast<size_t>(model_.hidden));
  cosines_ = carver.take<float>(tokens * static_cast<size_t>(model_.head_dim) / 2);
  sines_ = carver.take<float>(tokens * static_cast<size_t>(model_.head_dim) / 2);
  activations_.codes = carver.take<int8_t>(numbers);
  activations_.scales = carver.take<float>(numbers / kGroup);
  activations_.sums = carver.take<float>(numbers / kGroup);
  values_ = carver.take<float>(numbers);
  delta_ = carver.take<float>(tokens * static_cast<size_t>(model_.hidden));
  qkv_ = carver.take<float>(tokens * (queries + 2 * keys));
  queries_ = carver.take<float>(tokens * queries);
  attended_ = carver.take<float>(tokens * queries);
  gate_up_ = carver.take<float>(tokens * 2 * static_cast<size_t>(model_.inner));
  rows_.clear();
  for (int thread = 0; thread < num_threads_; ++thread) {
    rows_.push_back(carver.take<float>(2 * widest_row(model_)));
  }
  carved_ = carver.used();
}

Queries Decoder::queries_of(const Step& step) const {
  return Queries{step.tokens,    model_.heads,        queries_,    attended_,
                 step.positions, sequence_of_.data(), step.tables, step.table_width,
                 attend_shared_.data()};
}

}  // namespace seatrial
