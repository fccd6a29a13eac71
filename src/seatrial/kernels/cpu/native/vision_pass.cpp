#include "vision_pass.h"

#include <algorithm>
#include <cmath>

namespace seatrial {

VisionPass::VisionPass(VisionTower& tower, const Chunk& chunk, Walk& walk)
    : tower_(tower),
      model_(tower.model_),
      kernels_(tower.kernels_),
      chunk_(chunk),
      walk_(walk),
      tokens_(chunk.count * tower.model_.patches()),
      lap_(std::chrono::steady_clock::now()) {}

void VisionPass::run() {
  take_patches();
  product(model_.patch.matrix->weight(), tokens_, tower_.delta_);
  Gain gain{model_.places.data(), model_.patches(), true};
  for (const VisionLayer& layer : model_.layers) {
    norm(layer.attention_norm, layer.qkv.matrix->weight(), gain);
    product(layer.qkv.matrix->weight(), tokens_, tower_.qkv_);
    attend(layer);
    take_attended(layer.output.matrix->weight());
    product(layer.output.matrix->weight(), tokens_, tower_.delta_);
    norm(layer.mlp_norm, layer.up.matrix->weight(), {layer.output.bias.data(), 1, false});
    product(layer.up.matrix->weight(), tokens_, tower_.up_);
    activate(layer);
    product(layer.down.matrix->weight(), tokens_, tower_.delta_);
    gain = {layer.down.bias.data(), 1, false};
  }
  join_patches(gain);
  product(model_.projection->weight(), chunk_.count * model_.rows_per_tile(), chunk_.rows);
}

// One stage: body(token) for all tokens.
template <typename Body>
void VisionPass::for_tokens(int count, Work work, const Body& body) {
  walk_.share(count, [&](int first, int last) {
    for (int token = first; token < last; ++token) body(token);
  });
  lap(work);
}

// Patch p of a tile begins at row p / side * size and column p % side * size. Of 27 patches of 14 pixels a side, patch
// 28 begins at row 14, column 14.
void VisionPass::take_patches() {
  const Weight& next = model_.patch.matrix->weight();
  const int patches = model_.patches(), side = model_.side(), size = model_.patch_size;
  const ptrdiff_t edge = model_.image_size;
  for_tokens(tokens_, Work::moves, [&](int token) {
    const int patch = token % patches;
    const float* tile = chunk_.tiles + token / patches * 3 * edge * edge;
    const float* corner = tile + patch / side * size * edge + patch % side * size;
    float* row = room_for(next, token);
    float* to = row;
    for (int colour = 0; colour < 3; ++colour) {
      for (int y = 0; y < size; ++y) {
        const float* from = corner + (colour * edge + y) * edge;
        to = std::copy(from, from + size, to);
      }
    }
    feed(next, row, model_.patch_values(), token, tokens_);
  });
}

void VisionPass::gain_row(int token, const Gain& gain) {
  const ptrdiff_t at = static_cast<ptrdiff_t>(token) * model_.hidden;
  const float* numbers = gain.numbers + static_cast<ptrdiff_t>(token % gain.period) * model_.hidden;
  const float* delta = tower_.delta_ + at;
  float* hidden = tower_.hidden_ + at;
  if (gain.first) {
    for (int i = 0; i < model_.hidden; ++i) hidden[i] = delta[i] + numbers[i];
  } else {
    for (int i = 0; i < model_.hidden; ++i) hidden[i] += delta[i] + numbers[i];
  }
}

// Take in what the last matrix gave, normalise, and hand the result to the next matrix.
void VisionPass::norm(const LayerNorm& norm, const Weight& next, const Gain& gain) {
  for_tokens(tokens_, Work::norms, [&](int token) {
    gain_row(token, gain);
    const float* hidden = tower_.hidden_ + static_cast<ptrdiff_t>(token) * model_.hidden;
    float* row = room_for(next, token);
    kernels_.layer_norm(hidden, norm.weight.data(), norm.bias.data(), model_.hidden, model_.eps, row);
    feed(next, row, model_.hidden, token, tokens_);
  });
}

void VisionPass::attend(const VisionLayer& layer) {
  if (tower_.by_tile()) return attend_by_tile(layer);
  keep_keys_and_values(layer);
  const Queries queries = tower_.queries_of(chunk_.count);
  auto* scratch = reinterpret_cast<float*>(scratch_of_thread());
  walk_.share(tower_.attend_tasks_, [&](int first, int last) {
    for (int task = first; task < last; ++task) kernels_.attend(tower_.cache_, queries, task, scratch);
  });
  lap(Work::attention);
}

// A task is a head of a tile. A token's row of `qkv` holds its queries, keys and values, head by head.
void VisionPass::attend_by_tile(const VisionLayer& layer) {
  const ptrdiff_t hidden = model_.hidden, head = model_.head(), tile = model_.patches() * hidden;
  const float* bias = layer.qkv.bias.data();
  uint8_t* scratch = scratch_of_thread();
  walk_.share(chunk_.count * model_.heads, [&](int first, int last) {
    for (int task = first; task < last; ++task) {
      const ptrdiff_t at = task % model_.heads * head, start = task / model_.heads * tile;
      const float* qkv = tower_.qkv_ + 3 * start + at;
      const float* own = bias + at;
      kernels_.attend_tile({model_.patches(), model_.head(), 3 * hidden, qkv, qkv + hidden, qkv + 2 * hidden, own,
                            own + hidden, own + 2 * hidden, tower_.attended_ + start + at, hidden},
                           scratch);
    }
  });
  lap(Work::attention);
}

uint8_t* VisionPass::scratch_of_thread() {
  return tower_.scratch_.data() + static_cast<size_t>(walk_.thread()) * tower_.scratch_stride_;
}

// Padded to 16s, heads of 72 become heads of
// 80 with zeros behind. Attention divides scores by the root of the padded size, so queries make up for it here.
void VisionPass::keep_keys_and_values(const VisionLayer& layer) {
  const int heads = model_.heads, head = model_.head(), padded = model_.padded_head();
  const ptrdiff_t hidden = model_.hidden, wide = static_cast<ptrdiff_t>(heads) * padded;
  const int patches = model_.patches(), blocks = (patches + kBlockTokens - 1) / kBlockTokens;
  const float* bias = layer.qkv.bias.data();
  const float scale = std::sqrt(static_cast<float>(padded) / static_cast<float>(head));
  const auto spread = [&](const float* from, const float* add, float by, float* to) {
    for (int h = 0; h < heads; ++h, from += head, add += head, to += padded) {
      for (int i = 0; i < head; ++i) to[i] = (from[i] + add[i]) * by;
      std::fill(to + head, to + padded, 0.0f);
    }
  };
  for_tokens(tokens_, Work::moves, [&](int token) {
    const float* row = tower_.qkv_ + token * 3 * hidden;
    float* keys = tower_.rows_[static_cast<size_t>(walk_.thread())];
    float* values = keys + wide;
    spread(row, bias, scale, tower_.queries_ + token * wide);
    spread(row + hidden, bias + hidden, 1, keys);
    spread(row + 2 * hidden, bias + 2 * hidden, 1, values);
    const int block = token / patches * blocks + token % patches / kBlockTokens;
    kernels_.store_kv(tower_.cache_, block, token % patches % kBlockTokens, keys, values);
  });
}

void VisionPass::take_attended(const Weight& next) {
  const int heads = model_.heads, head = model_.head(), padded = tower_.by_tile() ? head : model_.padded_head();
  for_tokens(tokens_, Work::moves, [&](int token) {
    const float* from = tower_.attended_ + static_cast<ptrdiff_t>(token) * heads * padded;
    float* row = room_for(next, token);
    for (int h = 0; h < heads; ++h) std::copy(from + h * padded, from + h * padded + head, row + h * head);
    feed(next, row, model_.hidden, token, tokens_);
  });
}

void VisionPass::activate(const VisionLayer& layer) {
  const Weight& next = layer.down.matrix->weight();
  for_tokens(tokens_, Work::gelu, [&](int token) {
    float* row = room_for(next, token);
    const float* up = tower_.up_ + static_cast<ptrdiff_t>(token) * model_.inner;
    kernels_.gelu(up, layer.up.bias.data(), model_.inner, row);
    feed(next, row, model_.inner, token, tokens_);
  });
}

// Row r of a tile's output takes the patches of its square, line by line: with 27 patches a side and squares of 3, row
// 10 takes patches 84, 85, 86, 111, 112, 113, 138, 139 and 140 (square 1 of square line 1).
void VisionPass::join_patches(const Gain& gain) {
  const Weight& next = model_.projection->weight();
  const int shuffle = model_.shuffle, side = model_.side(), across = side / shuffle, rows = model_.rows_per_tile();
  const float* weight = model_.norm.weight.data();
  const float* bias = model_.norm.bias.data();
  for_tokens(chunk_.count * rows, Work::norms, [&](int out) {
    const int square = out % rows, top = square / across * shuffle, left = square % across * shuffle;
    float* row = room_for(next, out);
    float* to = row;
    for (int i = 0; i < shuffle * shuffle; ++i, to += model_.hidden) {
      const int token = out / rows * model_.patches() + (top + i / shuffle) * side + left + i % shuffle;
      gain_row(token, gain);
      const float* hidden = tower_.hidden_ + static_cast<ptrdiff_t>(token) * model_.hidden;
      kernels_.layer_norm(hidden, weight, bias, model_.hidden, model_.eps, to);
    }
    feed(next, row, model_.joined(), out, chunk_.count * rows);
  });
}

// Where a token's input of `next` is written: what takes floats reads it there, for others it is quantised by `feed`.
float* VisionPass::room_for(const Weight& next, int token) {
  if (tower_.takes_floats(next.format)) return tower_.values_ + static_cast<ptrdiff_t>(token) * next.columns;
  return tower_.rows_[static_cast<size_t>(walk_.thread())];
}

// `used` numbers of the row are written; what the matrix is padded with meets zeros.
void VisionPass::feed(const Weight& next, float* row, int used, int token, int tokens) {
  std::fill(row + used, row + next.columns, 0.0f);
  if (tower_.is_fine(next.format)) {
    kernels_.quantise_fine(row, token, fine_inputs_of(next, tokens));
  } else if (!tower_.takes_floats(next.format)) {
    kernels_.quantise(row, 0, inputs_of(next, tokens), token, token + 1);
  }
}

// y = x w^T; panels go to whichever thread is free.
void VisionPass::product(const Weight& weight, int tokens, float* to) {
  const Activations inputs = inputs_of(weight, tokens);
  const FineActivations fine_inputs = fine_inputs_of(weight, tokens);
  const bool fine = tower_.is_fine(weight.format);
  walk_.share(weight.panels(), [&](int first, int last) {
    if (fine) {
      kernels_.matmul_fine(weight, first, last, fine_inputs, to, weight.rows);
    } else {
      kernels_.matmul(weight, first, last, inputs, to, weight.rows);
    }
  });
  lap(Work::products);
}

Activations VisionPass::inputs_of(const Weight& weight, int tokens) const {
  Activations inputs = tower_.activations_;
  inputs.tokens = tokens;
  inputs.columns = weight.columns;
  inputs.values = tower_.values_;
  return inputs;
}

FineActivations VisionPass::fine_inputs_of(const Weight& weight, int tokens) const {
  FineActivations inputs = tower_.fine_;
  inputs.tokens = tokens;
  inputs.columns = weight.columns;
  return inputs;
}

// The caller's thread is in every job and leaves every stage when all of it is done.
void VisionPass::lap(Work work) {
  if (walk_.thread() != 0) return;
  const auto now = std::chrono::steady_clock::now();
  tower_.seconds_[static_cast<int>(work)] += std::chrono::duration<double>(now - lap_).count();
  lap_ = now;
}

}  // namespace seatrial
