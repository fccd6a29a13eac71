// What a CPU level must provide, and the data it works on.
//
// A level (generic, avx2, avx512, amx, neon) is one `Kernels` table in a translation unit of its own, compiled with its
// own instruction set. `dispatch.cpp` picks the best table that the machine can run, or the one that was asked for. The
// decoder holds one table and calls nothing else. No PyTorch, no Python in here.
//
// Every kernel treats a token by itself: the order of its additions depends on its own position and on nothing else in
// the batch, so that one at a time, batched, chunked and cached computation give the same bits within a level.
//
// Shapes: T tokens, K columns of a weight (inputs), N rows of a weight (outputs), G = K / 32 groups, H head size.

#pragma once

#include <cstddef>
#include <cstdint>

namespace seatrial {

constexpr int kPanelRows = 16;   // output rows that are packed side by side
constexpr int kGroup = 32;       // inputs that share a scale
constexpr int kBlockTokens = 16; // positions in a block of the paged KV cache

enum class Format : int { q4_0 = 0, q4_1 = 1, q8_0 = 2, bf16 = 3 };

// A matrix [N, K], packed once at load. Rows are padded with zeros to whole panels of 16; panels follow one another,
// and within a panel its groups of 32 columns, each as
//
//   q4_0  256 bytes of codes, 16 half scales                      (288 bytes): w = scale * (code - 8)
//   q4_1  256 bytes of codes, 16 half scales, 16 half minima      (320 bytes): w = scale * code + minimum
//   q8_0  512 bytes of signed codes, 16 half scales               (544 bytes): w = scale * code
//   bf16  1024 bytes: 16 pairs of columns, each 16 rows x 2 values
//
// 8-bit codes lie as 8 quads of columns, each 16 rows x 4 columns (64 bytes): quad q holds columns 4q..4q+3 of the
// group, row r at byte 4r. 4-bit codes lie as 4 such 64-byte lines: line i has quad i in the low nibbles and quad i+4
// in the high ones. K is a multiple of 32.
struct Weight {
  Format format;
  int rows;     // N as stored in the model
  int columns;  // K
  const uint8_t* data;  // 64-byte aligned

  int panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
  int groups() const { return columns / kGroup; }
  size_t group_bytes() const {
    switch (format) {
      case Format::q4_0: return 288;
      case Format::q4_1: return 320;
      case Format::q8_0: return 544;
      default: return 1024;
    }
  }
  size_t panel_bytes() const { return group_bytes() * groups(); }
  size_t bytes() const { return panel_bytes() * panels(); }
};

// Inputs of a product. For the integer formats: codes [G, T, 32] (signed, |code| <= 127), scales [G, T] and
// sums [G, T] = scale * (sum of the group's codes). For bf16: `values` [T, K] in float. `quantise` fills them.
struct Activations {
  int tokens;
  int columns;
  int8_t* codes;
  float* scales;
  float* sums;
  const float* values;
};

// Inputs of a product in 16 bits: codes [G, T, 32], scales [T]; x = scale * code. Codes are whole numbers, or the bits of
// bf16 with scales of 1: only the level that writes them reads them.
struct FineActivations {
  int tokens;
  int columns;
  int16_t* codes;
  float* scales;
};

// Keys and values of one layer, all blocks. Block b, key-value head h:
//   keys   [blocks, heads, H, 16]  16 positions side by side for each dimension
//   values [blocks, heads, 16, H]
// in bf16, or in int8 with one float scale per position and head ([blocks, heads, 16]) each.
enum class CacheFormat : int { bf16 = 0, int8 = 1 };

struct LayerCache {
  CacheFormat format;
  int heads;     // key-value heads
  int head_dim;  // H, a multiple of 16
  void* keys;
  void* values;
  float* key_scales;    // int8 only
  float* value_scales;  // int8 only
};

// The queries of one pass. Token t belongs to sequence `sequence[t]`, stands at `position[t]` and sees positions
// 0..position[t] of it. Position p of sequence s lies in block `tables[s * table_stride + p / 16]`, slot p % 16.
struct Queries {
  int tokens;
  int query_heads;
  const float* q;  // [T, query_heads, H], rotated; the scale 1/sqrt(H) is not yet applied
  float* out;      // [T, query_heads, H]
  const int32_t* position;
  const int32_t* sequence;
  const int32_t* tables;
  int table_stride;
  void* shared = nullptr;  // `attend_shared` bytes, 64-byte aligned, for all tasks of the pass; null: same bits, slower
};

// One head of one tile of a picture. Token t's queries, keys and values [H] stand at t * stride and lack their biases.
struct TileHead {
  int tokens;  // all of which see one another; at most kMostTileTokens
  int head;    // H
  ptrdiff_t stride;
  const float* queries;
  const float* keys;
  const float* values;
  const float* query_bias;  // [H] each
  const float* key_bias;
  const float* value_bias;
  float* out;  // [H] at t * out_stride
  ptrdiff_t out_stride;
};
constexpr int kMostTileTokens = 1 << 14;

struct Kernels {
  const char* name;

  // Rows [first, last) of x [T, K] (stride in floats) into codes, scales and sums: scale = max|x| / 127 over a group,
  // code = round-to-nearest-even(x / scale); a group of zeros has scale 0.
  void (*quantise)(const float* x, ptrdiff_t stride, const Activations& to, int first, int last);

  // y[t, n] for all tokens t and the rows n of panels [first, last), n < w.rows: y = x w^T. `stride` in floats.
  void (*matmul)(const Weight& w, int first, int last, const Activations& x, float* y, ptrdiff_t stride);

  // y = weight * x / sqrt(mean(x^2) + eps), over `size` values.
  void (*rms_norm)(const float* x, const float* weight, int size, float eps, float* y);

  // gate_up holds `size` gates, then `size` ups: out = gate / (1 + exp(-gate)) * up.
  void (*silu_mul)(const float* gate_up, int size, float* out);

  // Rotate `heads` heads of H values in place: pairs (i, i + H/2), cos and sin [H/2].
  void (*rope)(float* x, int heads, int head_dim, const float* cos, const float* sin);

  // y = weight * (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) + bias, over `size` values.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, int size, float eps, float* y);

  // out = gelu(x + bias), over `size` values: gelu(v) = v / (1 + exp(-2 u)), u = sqrt(2 / pi) (v + 0.044715 v^3).
  void (*gelu)(const float* x, const float* bias, int size, float* out);

  // Store one token's keys and values ([kv heads, H], floats) at slot `slot` of block `block`.
  void (*store_kv)(const LayerCache& cache, int block, int slot, const float* keys, const float* values);

  // How many independent tasks `attend` has for these queries, and one of them. Tasks may run in any order and on any
  // thread. `scratch` belongs to the thread; `attend_scratch` says how many floats it needs.
  int (*attend_tasks)(const LayerCache& cache, const Queries& queries);
  size_t (*attend_scratch)(const LayerCache& cache, const Queries& queries);
  void (*attend)(const LayerCache& cache, const Queries& queries, int task, float* scratch);

  // How many bytes `queries.shared` takes (null where a level needs none). `attend_tasks` writes its plan there, on one
  // thread, before any task starts; tasks leave partial results of long contexts there, and whichever finishes last
  // merges them, so no second phase is needed. The plan depends on positions, sequences, tables and head counts alone:
  // made once per pass it holds for every layer (`q` and `out` may change in between).
  size_t (*attend_shared)(const LayerCache& cache, const Queries& queries) = nullptr;

  // Null where a level multiplies bytes faster. Which weights have inputs in 16 bits; one row x [K] into codes: bf16, or
  // whole numbers with scale = max|x| / 32,767 over the row (a row of zeros has scale 0); and y[t, n] as for `matmul`.
  bool (*is_fine)(Format format) = nullptr;
  void (*quantise_fine)(const float* x, int token, const FineActivations& to) = nullptr;
  void (*matmul_fine)(const Weight& w, int first, int last, const FineActivations& x, float* y,
                      ptrdiff_t stride) = nullptr;

  // Null where pictures go through `attend`. One head of one tile: softmax(q k^T / sqrt(H)) v. `attend_tile_scratch`
  // says how many bytes the thread's scratch needs, 64-byte aligned.
  size_t (*attend_tile_scratch)(int tokens, int head) = nullptr;
  void (*attend_tile)(const TileHead& tile, uint8_t* scratch) = nullptr;
};

// The tables. A level that was not compiled for this architecture is absent (null).
const Kernels* generic_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* amx_kernels();
const Kernels* neon_kernels();

}  // namespace seatrial
