// The model over a paged KV cache: one call computes one step.
//
// In: packed weights and norms (`Model`), then steps of tokens. Out: for the tokens that were asked for, scores over
// the vocabulary, or the hidden states that scores are made of. The decoder owns the cache, the threads and a workspace that only grows.

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

struct Layer {
  std::vector<float> attention_norm;
  Matrix qkv;
  Matrix output;
  std::vector<float> mlp_norm;
  Matrix gate_up;
  Matrix down;
  bool rotates;  // false in NoPE layers
};

struct Model {
  int vocab_size;
  int hidden;
  int inner;
  int heads;
  int kv_heads;
  int head_dim;
  float eps;
  float rope_scale;
  std::vector<float> frequencies;  // angle per position, [head_dim / 2]
  Matrix embedding;
  std::vector<Layer> layers;
  std::vector<float> norm;
  Matrix output;
};

enum class Result { scores, hidden };

// As `StepInput` in Python: sequence s has tokens starts[s] .. starts[s + 1] - 1.
struct Step {
  int tokens;
  int sequences;
  int table_width;  // blocks of the longest sequence
  int rows;
  const int32_t* ids;
  const int32_t* positions;
  const int32_t* starts;
  const int32_t* tables;
  const int32_t* wanted;
  Result result = Result::scores;
  // Embeddings from outside: token places[i] begins as row i of `embeddings` [given, hidden], whatever its id.
  int given = 0;
  const int32_t* places = nullptr;
  const float* embeddings = nullptr;
};

class Decoder {
 public:
  // Throws std::invalid_argument where parts of the model do not fit together, std::bad_alloc, std::system_error.
  Decoder(Model model, const Kernels& kernels, int threads);

  // Bytes of one block of 16 positions over all layers.
  size_t block_bytes(CacheFormat format) const;
  // Throws std::bad_alloc.
  void allocate(int num_blocks, CacheFormat format);
  // [rows, result_width(step)], written over by the next call. Throws std::invalid_argument, std::bad_alloc.
  std::shared_ptr<Buffer> forward(const Step& step);
  int result_width(const Step& step) const;
  void close();

  const Model& model() const { return model_; }
  const char* level() const { return kernels_.name; }
  int threads() const { return num_threads_; }

 private:
  friend class Pass;
  void check(const Step& step) const;
  void check_sequence(const Step& step, int sequence) const;
  void check_places(const Step& step) const;
  void reserve(const Step& step);
  void carve(uint8_t* base, int capacity);
  Queries queries_of(const Step& step) const;

  Model model_;
  const Kernels& kernels_;
  int num_threads_;
  std::unique_ptr<Threads> threads_;
  std::mutex busy_;

  int num_blocks_ = 0;
  Buffer cache_;
  std::vector<LayerCache> caches_;

  // Workspace.
  int capacity_ = 0;  // tokens
  size_t carved_ = 0;          // bytes of the workspace
  size_t scratch_stride_ = 0;  // floats of a thread's scratch in attention
  Buffer space_, scratch_;
  Buffer attend_shared_;
  std::shared_ptr<Buffer> result_;
  std::vector<int32_t> sequence_of_;
  float* hidden_ = nullptr;    // [T, D]
  float* cosines_ = nullptr;   // [T, H / 2]
  float* sines_ = nullptr;
  Activations activations_{};  // inputs of a product
  float* values_ = nullptr;    // [T, K], of a bf16 matrix
  float* delta_ = nullptr;     // [T, D], what the last matrix adds to `hidden_`
  float* qkv_ = nullptr;       // [T, (N + 2 K) H]
  float* queries_ = nullptr;   // [T, N H]
  float* attended_ = nullptr;  // [T, N H]
  int attend_tasks_ = 0;       // of this step, planned in `attend_shared_`
  float* gate_up_ = nullptr;   // [T, 2 F]
  std::vector<float*> rows_;   // a row of the widest kind for each thread
};

}  // namespace seatrial
