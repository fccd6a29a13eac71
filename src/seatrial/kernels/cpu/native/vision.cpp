#include "vision.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "carver.h"
#include "vision_pass.h"

namespace seatrial {
namespace {

// Tokens of a chunk, at most, where a tile has no more: enough for every weight that is read to be used many times.
constexpr int kChunkTokens = 1536;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

int padded_columns(int columns) { return (columns + kGroup - 1) / kGroup * kGroup; }

void expect_matrix(const std::string& name, const Matrix& matrix, int rows, int columns) {
  const Weight& weight = matrix->weight();
  if (weight.rows == rows && weight.columns == padded_columns(columns)) return;
  refuse("`" + name + "` is " + std::to_string(weight.rows) + " x " + std::to_string(weight.columns) +
         "; the configuration says " + std::to_string(rows) + " x " + std::to_string(padded_columns(columns)) + ".");
}

void expect_size(const std::string& name, const std::vector<float>& values, size_t size) {
  if (values.size() == size) return;
  refuse("`" + name + "` has " + std::to_string(values.size()) + " numbers; the configuration says " +
         std::to_string(size) + ".");
}

void expect_affine(const std::string& name, const Affine& affine, int rows, int columns) {
  expect_matrix(name, affine.matrix, rows, columns);
  expect_size(name + "_bias", affine.bias, static_cast<size_t>(rows));
}

void expect_norm(const std::string& name, const LayerNorm& norm, int size) {
  expect_size(name, norm.weight, static_cast<size_t>(size));
  expect_size(name + "_bias", norm.bias, static_cast<size_t>(size));
}

void expect_sizes(const VisionModel& m) {
  constexpr int kLargestTile = 1 << 14, kLargestHead = 1024, kWidest = 1 << 24;
  if (m.patch_size < 1 || m.image_size < m.patch_size || m.image_size > kLargestTile) {
    refuse("Patches of " + std::to_string(m.patch_size) + " pixels in tiles of " + std::to_string(m.image_size) +
           "; a patch fits its tile, and a tile has at most 16,384 pixels to an edge.");
  }
  if (m.hidden < 1 || m.inner < 1 || m.heads < 1 || m.text_hidden < 1 || m.shuffle < 1) {
    refuse("A picture encoder needs sizes above 0.");
  }
  if (m.hidden % m.heads != 0 || m.head() > kLargestHead) {
    refuse(std::to_string(m.hidden) + " numbers do not go into " + std::to_string(m.heads) +
           " equal heads of at most 1,024.");
  }
  if (m.side() % m.shuffle != 0) {
    refuse(std::to_string(m.side()) + " patches per side are not a multiple of the shuffle's " +
           std::to_string(m.shuffle) + ".");
  }
  if (m.inner > kWidest || m.hidden > kWidest / (m.shuffle * m.shuffle) || m.patches() > kWidest / m.hidden) {
    refuse("The picture encoder's sizes are beyond what its kernels count.");
  }
}

void expect_consistent(const VisionModel& m) {
  expect_sizes(m);
  expect_affine("patch", m.patch, m.hidden, m.patch_values());
  expect_size("places", m.places, static_cast<size_t>(m.patches()) * static_cast<size_t>(m.hidden));
  for (size_t index = 0; index < m.layers.size(); ++index) {
    const VisionLayer& layer = m.layers[index];
    const std::string at = "layers[" + std::to_string(index) + "].";
    expect_norm(at + "attention_norm", layer.attention_norm, m.hidden);
    expect_affine(at + "qkv", layer.qkv, 3 * m.hidden, m.hidden);
    expect_affine(at + "output", layer.output, m.hidden, m.hidden);
    expect_norm(at + "mlp_norm", layer.mlp_norm, m.hidden);
    expect_affine(at + "up", layer.up, m.inner, m.hidden);
    expect_affine(at + "down", layer.down, m.hidden, m.inner);
  }
  expect_norm("norm", m.norm, m.hidden);
  expect_matrix("projection", m.projection, m.text_hidden, m.joined());
}

template <typename Predicate>
bool any_matrix(const VisionModel& m, const Predicate& predicate) {
  const auto holds = [&](const Matrix& matrix) { return predicate(matrix->weight().format); };
  return holds(m.patch.matrix) || holds(m.projection) ||
         std::any_of(m.layers.begin(), m.layers.end(), [&](const VisionLayer& layer) {
           return holds(layer.qkv.matrix) || holds(layer.output.matrix) || holds(layer.up.matrix) ||
                  holds(layer.down.matrix);
         });
}

size_t widest_row(const VisionModel& m) {
  return static_cast<size_t>(padded_columns(
      std::max({m.hidden, m.inner, m.patch_values(), m.joined(), m.heads * m.padded_head()})));
}

// Numbers that the products of one tile take in, at most.
size_t most_inputs(const VisionModel& m) {
  const size_t each = static_cast<size_t>(padded_columns(std::max({m.hidden, m.inner, m.patch_values()})));
  const size_t joined = static_cast<size_t>(padded_columns(m.joined()));
  return std::max(each * static_cast<size_t>(m.patches()), joined * static_cast<size_t>(m.rows_per_tile()));
}

int blocks_per_tile(const VisionModel& m) { return (m.patches() + kBlockTokens - 1) / kBlockTokens; }

}  // namespace

VisionTower::VisionTower(VisionModel model, const Kernels& kernels, int threads)
    : model_(std::move(model)), kernels_(kernels), num_threads_(threads) {
  constexpr int kMostThreads = 1024;
  if (threads < 1 || threads > kMostThreads) {
    refuse("`threads` is " + std::to_string(threads) + "; it must be from 1 to 1,024.");
  }
  expect_consistent(model_);
  // What the patch embedding adds to every patch and what a place adds are one.
  for (size_t i = 0; i < model_.places.size(); ++i) {
    model_.places[i] += model_.patch.bias[i % static_cast<size_t>(model_.hidden)];
  }
  threads_ = std::make_unique<Threads>(threads);
}

void VisionTower::encode(const float* tiles, int count, float* rows) {
  const std::unique_lock<std::mutex> lock(busy_, std::try_to_lock);
  if (!lock.owns_lock()) throw std::runtime_error("The picture encoder computes for another thread.");
  if (threads_ == nullptr) throw std::runtime_error("The picture encoder is closed.");
  std::fill(seconds_, seconds_ + kWorks, 0.0);
  const int most = std::max(1, kChunkTokens / model_.patches());
  const size_t tile = 3 * static_cast<size_t>(model_.image_size) * static_cast<size_t>(model_.image_size);
  const size_t out = static_cast<size_t>(model_.rows_per_tile()) * static_cast<size_t>(model_.text_hidden);
  for (int first = 0; first < count; first += most) {
    const size_t at = static_cast<size_t>(first);
    const Chunk chunk{tiles + at * tile, std::min(most, count - first), rows + at * out};
    reserve(chunk.count);
    plan_attention(chunk.count);
    threads_->run([this, &chunk](Walk& walk) { VisionPass(*this, chunk, walk).run(); });
  }
}

void VisionTower::close() {
  const std::lock_guard<std::mutex> lock(busy_);
  threads_.reset();
  space_ = Buffer();
  scratch_ = Buffer();
  attend_shared_ = Buffer();
  capacity_ = planned_ = 0;
  model_.layers.clear();
  model_.patch.matrix.reset();
  model_.projection.reset();
}

void VisionTower::reserve(int tiles) {
  if (tiles <= capacity_) return;
  capacity_ = planned_ = 0;
  carve(nullptr, tiles);
  space_ = Buffer();
  space_ = Buffer(carved_);
  carve(space_.data(), tiles);
  const size_t patches = static_cast<size_t>(model_.patches()), tokens = patches * static_cast<size_t>(tiles);
  last_position_.assign(tokens, model_.patches() - 1);
  tile_of_.resize(tokens);
  for (size_t token = 0; token < tokens; ++token) tile_of_[token] = static_cast<int32_t>(token / patches);
  blocks_.resize(static_cast<size_t>(tiles * blocks_per_tile(model_)));
  std::iota(blocks_.begin(), blocks_.end(), 0);
  capacity_ = tiles;
}

void VisionTower::carve(uint8_t* base, int tiles) {
  const size_t count = static_cast<size_t>(tiles), tokens = count * static_cast<size_t>(model_.patches());
  const size_t hidden = static_cast<size_t>(model_.hidden);
  const size_t padded = static_cast<size_t>(model_.heads * model_.padded_head());
  const size_t inputs = count * most_inputs(model_);
  const size_t kept = count * static_cast<size_t>(blocks_per_tile(model_)) * kBlockTokens * padded;
  Carver carver(base);
  cache_ = LayerCache{CacheFormat::bf16, model_.heads, model_.padded_head(), nullptr, nullptr, nullptr, nullptr};
  cache_.keys = carver.take<uint16_t>(by_tile() ? 0 : kept);
  cache_.values = carver.take<uint16_t>(by_tile() ? 0 : kept);
  // Each kind of input has room only where a matrix takes it.
  const auto room = [&](auto takes) { return any_matrix(model_, takes) ? inputs : 0; };
  const size_t finer = room([this](Format f) { return is_fine(f); });
  const size_t bytes = room([this](Format f) { return !is_fine(f) && !takes_floats(f); });
  fine_.codes = carver.take<int16_t>(finer);
  fine_.scales = carver.take<float>(finer == 0 ? 0 : tokens);
  activations_.codes = carver.take<int8_t>(bytes);
  activations_.scales = carver.take<float>(bytes / kGroup);
  activations_.sums = carver.take<float>(bytes / kGroup);
  values_ = carver.take<float>(room([this](Format f) { return takes_floats(f); }));
  hidden_ = carver.take<float>(tokens * hidden);
  delta_ = carver.take<float>(tokens * hidden);
  // `up_` is written when queries and what they attended to are no longer needed.
  const size_t apart = tokens * (3 * hidden + (by_tile() ? hidden : 2 * padded));
  qkv_ = carver.take<float>(std::max(apart, tokens * static_cast<size_t>(model_.inner)));
  queries_ = qkv_ == nullptr ? nullptr : qkv_ + tokens * 3 * hidden;
  attended_ = qkv_ == nullptr || by_tile() ? queries_ : queries_ + tokens * padded;
  up_ = qkv_;
  rows_.clear();
  for (int thread = 0; thread < num_threads_; ++thread) rows_.push_back(carver.take<float>(2 * widest_row(model_)));
  carved_ = carver.used();
}

// Whether inputs of such weights go in with 16 bits instead of 8.
bool VisionTower::is_fine(Format format) const {
  return kernels_.is_fine != nullptr && kernels_.is_fine(format);
}

// Whether inputs of such weights go in as they are.
bool VisionTower::takes_floats(Format format) const { return format == Format::bf16 && !is_fine(format); }

// Whether the level has attention of its own for tiles of this size.
bool VisionTower::by_tile() const { return kernels_.attend_tile != nullptr && model_.patches() <= kMostTileTokens; }

// Every token stands at the last position of its tile, so that it sees all of them. The plan holds for all layers.
void VisionTower::plan_attention(int tiles) {
  if (tiles == planned_) return;
  planned_ = 0;
  const size_t bytes = by_tile() ? kernels_.attend_tile_scratch(model_.patches(), model_.head())
                                 : kernels_.attend_scratch(cache_, queries_of(tiles)) * sizeof(float);
  scratch_stride_ = (bytes + 63) / 64 * 64;
  const size_t scratch = scratch_stride_ * static_cast<size_t>(num_threads_);
  if (scratch_.bytes() < scratch) scratch_ = Buffer(scratch);
  if (!by_tile()) {
    const size_t shared = kernels_.attend_shared == nullptr ? 0 : kernels_.attend_shared(cache_, queries_of(tiles));
    if (attend_shared_.bytes() < shared) attend_shared_ = Buffer(shared);
    attend_tasks_ = kernels_.attend_tasks(cache_, queries_of(tiles));
  }
  planned_ = tiles;
}

Queries VisionTower::queries_of(int tiles) const {
  return Queries{tiles * model_.patches(),
                 model_.heads,
                 queries_,
                 attended_,
                 last_position_.data(),
                 tile_of_.data(),
                 blocks_.data(),
                 blocks_per_tile(model_),
                 attend_shared_.data()};
}

}  // namespace seatrial
