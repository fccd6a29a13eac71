#include "pass.h"

#include <algorithm>
#include <cmath>

namespace seatrial {

Pass::Pass(Decoder& decoder, const Step& step, Walk& walk)
    : decoder_(decoder), model_(decoder.model_), kernels_(decoder.kernels_), step_(step), walk_(walk) {}

void Pass::run() {
  embed();
  for (size_t index = 0; index < model_.layers.size(); ++index) {
    const Layer& layer = model_.layers[index];
    const LayerCache& cache = decoder_.caches_[index];
    norm(layer.attention_norm, layer.qkv->weight(), index > 0);
    product(layer.qkv->weight(), step_.tokens, decoder_.qkv_);
    keep_keys_and_values(layer, cache);
    attend(cache);
    take_attended(layer.output->weight());
    product(layer.output->weight(), step_.tokens, decoder_.delta_);
    norm(layer.mlp_norm, layer.gate_up->weight(), true);
    product(layer.gate_up->weight(), step_.tokens, decoder_.gate_up_);
    activate(layer.down->weight());
    product(layer.down->weight(), step_.tokens, decoder_.delta_);
  }
  if (step_.rows == 0) return;
  float* result = reinterpret_cast<float*>(decoder_.result_->data());
  if (step_.result == Result::hidden) return give_hidden(result);
  choose_rows();
  product(model_.output->weight(), step_.rows, result);
}

// One stage: body(token) for all tokens.
template <typename Body>
void Pass::for_tokens(int count, const Body& body) {
  walk_.share(count, [&](int first, int last) {
    for (int token = first; token < last; ++token) body(token);
  });
}

void Pass::embed() {
  const Weight& embedding = model_.embedding->weight();
  for_tokens(step_.tokens, [&](int token) {
    dequantise_row(embedding, step_.ids[token], decoder_.hidden_ + static_cast<ptrdiff_t>(token) * model_.hidden);
    set_angles(token);
  });
  for_tokens(step_.given, [&](int i) {
    const float* row = step_.embeddings + static_cast<ptrdiff_t>(i) * model_.hidden;
    std::copy(row, row + model_.hidden, decoder_.hidden_ + static_cast<ptrdiff_t>(step_.places[i]) * model_.hidden);
  });
}

void Pass::set_angles(int token) {
  const int half = model_.head_dim / 2;
  const ptrdiff_t at = static_cast<ptrdiff_t>(token) * half;
  const float position = static_cast<float>(step_.positions[token]);
  for (int i = 0; i < half; ++i) {
    const float angle = position * model_.frequencies[static_cast<size_t>(i)];
    decoder_.cosines_[at + i] = std::cos(angle) * model_.rope_scale;
    decoder_.sines_[at + i] = std::sin(angle) * model_.rope_scale;
  }
}

// Add what the last matrix gave (`add`), normalise, and hand the result to the next matrix.
void Pass::norm(const std::vector<float>& weight, const Weight& next, bool add) {
  for_tokens(step_.tokens, [&](int token) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(token) * model_.hidden;
    float* hidden = decoder_.hidden_ + at;
    if (add) {
      const float* delta = decoder_.delta_ + at;
      for (int i = 0; i < model_.hidden; ++i) hidden[i] += delta[i];
    }
    float* row = room_for(next, token);
    kernels_.rms_norm(hidden, weight.data(), model_.hidden, model_.eps, row);
    feed(next, row, token, step_.tokens);
  });
}

// A token's row of `qkv` holds its queries, keys and values, head by head.
void Pass::keep_keys_and_values(const Layer& layer, const LayerCache& cache) {
  const int half = model_.head_dim / 2;
  const ptrdiff_t queries = static_cast<ptrdiff_t>(model_.heads) * model_.head_dim;
  const ptrdiff_t keys = static_cast<ptrdiff_t>(model_.kv_heads) * model_.head_dim;
  for_tokens(step_.tokens, [&](int token) {
    float* row = decoder_.qkv_ + token * (queries + 2 * keys);
    if (layer.rotates) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(token) * half;
      kernels_.rope(row, model_.heads + model_.kv_heads, model_.head_dim, decoder_.cosines_ + at, decoder_.sines_ + at);
    }
    std::copy(row, row + queries, decoder_.queries_ + token * queries);
    const int32_t position = step_.positions[token];
    const ptrdiff_t sequence = decoder_.sequence_of_[static_cast<size_t>(token)];
    const int block = step_.tables[sequence * step_.table_width + position / kBlockTokens];
    kernels_.store_kv(cache, block, position % kBlockTokens, row + queries, row + queries + keys);
  });
}

void Pass::attend(const LayerCache& cache) {
  const Queries queries = decoder_.queries_of(step_);
  float* scratch = reinterpret_cast<float*>(decoder_.scratch_.data()) +
                   static_cast<size_t>(walk_.thread()) * decoder_.scratch_stride_;
  walk_.share(decoder_.attend_tasks_, [&](int first, int last) {
    for (int task = first; task < last; ++task) kernels_.attend(cache, queries, task, scratch);
  });
}

void Pass::take_attended(const Weight& next) {
  for_tokens(step_.tokens, [&](int token) {
    const float* attended = decoder_.attended_ + static_cast<ptrdiff_t>(token) * next.columns;
    if (next.format != Format::bf16) return feed(next, attended, token, step_.tokens);
    std::copy(attended, attended + next.columns, room_for(next, token));
  });
}

void Pass::activate(const Weight& next) {
  for_tokens(step_.tokens, [&](int token) {
    float* row = room_for(next, token);
    kernels_.silu_mul(decoder_.gate_up_ + static_cast<ptrdiff_t>(token) * 2 * model_.inner, model_.inner, row);
    feed(next, row, token, step_.tokens);
  });
}

// The wanted tokens, normalised for the last time, become inputs of the output matrix.
void Pass::choose_rows() {
  const Weight& next = model_.output->weight();
  for_tokens(step_.rows, [&](int row) {
    float* to = room_for(next, row);
    last_norm(row, to);
    feed(next, to, row, step_.rows);
  });
}

void Pass::give_hidden(float* to) {
  for_tokens(step_.rows, [&](int row) { last_norm(row, to + static_cast<ptrdiff_t>(row) * model_.hidden); });
}

// Uses the second half of the thread's own row; `to` may be its first.
void Pass::last_norm(int row, float* to) {
  float* sum = decoder_.rows_[static_cast<size_t>(walk_.thread())] + model_.hidden;
  const ptrdiff_t at = static_cast<ptrdiff_t>(step_.wanted[row]) * model_.hidden;
  for (int i = 0; i < model_.hidden; ++i) sum[i] = decoder_.hidden_[at + i] + decoder_.delta_[at + i];
  kernels_.rms_norm(sum, model_.norm.data(), model_.hidden, model_.eps, to);
}

// Where a token's input of `next` is written: a bf16 matrix reads it there, for others it is quantised by `feed`.
float* Pass::room_for(const Weight& next, int token) {
  if (next.format == Format::bf16) return decoder_.values_ + static_cast<ptrdiff_t>(token) * next.columns;
  return decoder_.rows_[static_cast<size_t>(walk_.thread())];
}

void Pass::feed(const Weight& next, const float* row, int token, int tokens) {
  if (next.format == Format::bf16) return;
  kernels_.quantise(row, 0, inputs_of(next, tokens), token, token + 1);
}

// y = x w^T; panels go to whichever thread is free.
void Pass::product(const Weight& weight, int tokens, float* to) {
  const Activations inputs = inputs_of(weight, tokens);
  walk_.share(weight.panels(), [&](int first, int last) {
    kernels_.matmul(weight, first, last, inputs, to, weight.rows);
  });
}

Activations Pass::inputs_of(const Weight& weight, int tokens) const {
  Activations inputs = decoder_.activations_;
  inputs.tokens = tokens;
  inputs.columns = weight.columns;
  inputs.values = decoder_.values_;
  return inputs;
}

}  // namespace seatrial
