// The picture encoder: a batch of tiles goes in as pixels and comes out as rows for the decoder, in one call.
//
// SigLIP (Zhai et al. 2023, arXiv 2303.15343; its encoder is that of Dosovitskiy et al. 2021, arXiv 2010.11929): every
// patch of a tile becomes a token by a product, learned places are added, and layers of attention and an MLP with GELU
// follow, in which a token sees all tokens of its own tile and no others. Behind the last norm, squares of `shuffle` x
// `shuffle` patches are laid side by side (pixel shuffle, Shi et al. 2016, arXiv 1609.05158) and multiplied to the
// decoder's width. The tower owns its threads and a workspace for a few tiles, through which a batch goes in chunks.
//
// Shapes: T tokens of a chunk, P patches of a tile, D hidden size, F inner size, N heads, H head size padded to 16s for `attend`.

#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "buffer.h"
#include "kernels.h"
#include "packing.h"
#include "threads.h"

namespace seatrial {

using Matrix = std::shared_ptr<const PackedMatrix>;

struct LayerNorm {
  std::vector<float> weight;
  std::vector<float> bias;
};

// A matrix whose columns are padded with zeros to a multiple of 32, and what is added to its rows.
struct Affine {
  Matrix matrix;
  std::vector<float> bias;
};

struct VisionLayer {
  LayerNorm attention_norm;
  Affine qkv;
  Affine output;
  LayerNorm mlp_norm;
  Affine up;
  Affine down;
};

struct VisionModel {
  int image_size;
  int patch_size;
  int hidden;
  int inner;
  int heads;
  int shuffle;
  int text_hidden;
  float eps;
  Affine patch;               // columns: colour, row, column within a patch
  std::vector<float> places;  // [P, D]; the tower adds the bias of `patch` to them
  std::vector<VisionLayer> layers;
  LayerNorm norm;
  Matrix projection;

  int side() const { return image_size / patch_size; }
  int patches() const { return side() * side(); }
  int patch_values() const { return 3 * patch_size * patch_size; }
  int rows_per_tile() const { return patches() / (shuffle * shuffle); }
  int joined() const { return hidden * shuffle * shuffle; }
  int head() const { return hidden / heads; }
  int padded_head() const { return (head() + 15) / 16 * 16; }
};

// What the time of a call goes to.
enum class Work : int { products, attention, norms, gelu, moves };
constexpr int kWorks = 5;

// Tiles [count, 3, image_size, image_size] that fit the workspace, and where their rows go.
struct Chunk {
  const float* tiles;
  int count;
  float* rows;
};

class VisionTower {
 public:
  // Throws std::invalid_argument where parts of the model do not fit together, std::bad_alloc, std::system_error.
  VisionTower(VisionModel model, const Kernels& kernels, int threads);

  // tiles [count, 3, image_size, image_size] into rows [count, rows_per_tile, text_hidden]. A tile's rows have the same
  // bits in any batch and on any number of threads. Throws std::runtime_error when closed, busy or forked,
  // std::bad_alloc.
  void encode(const float* tiles, int count, float* rows);
  void close();

  const VisionModel& model() const { return model_; }
  const char* level() const { return kernels_.name; }
  int threads() const { return num_threads_; }
  // Seconds of the last call by kind of work, as its first thread saw them.
  const double* seconds() const { return seconds_; }

 private:
  friend class VisionPass;
  void reserve(int tiles);
  void carve(uint8_t* base, int tiles);
  bool is_fine(Format format) const;
  bool takes_floats(Format format) const;
  bool by_tile() const;
  void plan_attention(int tiles);
  Queries queries_of(int tiles) const;

  VisionModel model_;
  const Kernels& kernels_;
  int num_threads_;
  std::unique_ptr<Threads> threads_;
  std::mutex busy_;
  double seconds_[kWorks] = {};

  // Workspace, for `capacity_` tiles.
  int capacity_ = 0;
  int planned_ = 0;  // tiles that the plan of attention is for
  size_t carved_ = 0;
  size_t scratch_stride_ = 0;  // bytes of a thread's scratch in attention
  Buffer space_, scratch_, attend_shared_;
  std::vector<int32_t> last_position_, tile_of_, blocks_;
  LayerCache cache_{};         // keys and values of the layer at hand, where `attend` computes
  Activations activations_{};  // inputs of a product
  FineActivations fine_{};     // in the place of the above, where the level has products for them
  float* values_ = nullptr;    // [T, K], where inputs stay floats
  float* hidden_ = nullptr;    // [T, D]
  float* delta_ = nullptr;     // [T, D], what the last matrix adds to `hidden_`
  float* qkv_ = nullptr;       // [T, 3 D]
  float* queries_ = nullptr;   // [T, N, H], where `attend` computes
  float* attended_ = nullptr;  // [T, N, H]; [T, D] of `attend_tile`
  float* up_ = nullptr;        // [T, F], in the place of the three above
  int attend_tasks_ = 0;
  std::vector<float*> rows_;  // two rows of the widest kind for each thread
};

}  // namespace seatrial
