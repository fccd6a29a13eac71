// The level that runs everywhere: plain C++, and the definition that the other levels are tested against.

#include <algorithm>
#include <cmath>

#include "half.h"
#include "kernels.h"

namespace seatrial {
namespace {

constexpr int kTokenTile = 8;  // tokens that share one unpacking of a group
constexpr float kLargestCode = 127;

// Nearest whole number, halves to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction.
float round_even(float x) {
  constexpr float kShift = 12582912.0f;
  return (x + kShift) - kShift;
}

// Codes of `size` values; returns their scale. A value that is no number makes the scale none.
float codes_of(const float* x, int size, int8_t* codes) {
  float largest = 0;
  bool finite = true;
  for (int i = 0; i < size; ++i) {
    largest = std::max(largest, std::fabs(x[i]));
    finite = finite && std::isfinite(x[i]);
  }
  const float scale = largest / kLargestCode;
  const bool zero = !finite || scale < 1e-37f;
  for (int i = 0; i < size; ++i) codes[i] = zero ? int8_t{0} : static_cast<int8_t>(round_even(x[i] / scale));
  if (!finite) return NAN;
  return zero ? 0 : scale;
}

void quantise(const float* x, ptrdiff_t stride, const Activations& to, int first, int last) {
  for (int token = first; token < last; ++token) {
    for (int group = 0; group < to.columns / kGroup; ++group) {
      const size_t at = static_cast<size_t>(group) * static_cast<size_t>(to.tokens) + static_cast<size_t>(token);
      int8_t* codes = to.codes + at * kGroup;
      to.scales[at] = codes_of(x + token * stride + group * kGroup, kGroup, codes);
      int sum = 0;
      for (int i = 0; i < kGroup; ++i) sum += codes[i];
      to.sums[at] = to.scales[at] * static_cast<float>(sum);
    }
  }
}

constexpr int kQuad = 4;
constexpr int kLine = kPanelRows * kQuad;  // codes of a line: 16 rows of four columns

// A group of a panel: its codes as floats, line by line, [8][16 rows][4 columns].
struct OpenGroup {
  float codes[kGroup / kQuad][kLine];
  float scales[kPanelRows];
  float minima[kPanelRows];
};

void read_halves(const uint8_t* from, float* to) {
  for (int row = 0; row < kPanelRows; ++row) {
    uint16_t half;
    std::memcpy(&half, from + row * 2, 2);
    to[row] = from_half(half);
  }
}

void open_nibbles(const uint8_t* from, int zero, float (*to)[kLine]) {
  for (int line = 0; line < 4; ++line) {
    for (int i = 0; i < kLine; ++i) to[line][i] = static_cast<float>((from[line * kLine + i] & 15) - zero);
    for (int i = 0; i < kLine; ++i) to[line + 4][i] = static_cast<float>((from[line * kLine + i] >> 4) - zero);
  }
}

void open_bytes(const uint8_t* from, float (*to)[kLine]) {
  for (int line = 0; line < 8; ++line) {
    for (int i = 0; i < kLine; ++i) to[line][i] = static_cast<float>(static_cast<int8_t>(from[line * kLine + i]));
  }
}

void open_group(Format format, const uint8_t* from, OpenGroup& to) {
  const bool four_bit = format != Format::q8_0;
  if (four_bit) open_nibbles(from, format == Format::q4_0 ? 8 : 0, to.codes);
  else open_bytes(from, to.codes);
  const uint8_t* scales = from + (four_bit ? 256 : 512);
  read_halves(scales, to.scales);
  if (format == Format::q4_1) read_halves(scales + 32, to.minima);
  else std::fill(to.minima, to.minima + kPanelRows, 0.0f);
}

// sums[row] += scale of row * scale of token * (codes . codes) + minimum of row * sum of token. The products are whole
// numbers below 2^24, so that floats hold them exactly.
void add_group(const OpenGroup& group, const int8_t* codes, float scale, float sum, float* sums) {
  float dots[kPanelRows][kQuad] = {};
  for (int line = 0; line < kGroup / kQuad; ++line) {
    float quad[kQuad];
    for (int i = 0; i < kQuad; ++i) quad[i] = static_cast<float>(codes[line * kQuad + i]);
    for (int row = 0; row < kPanelRows; ++row) {
      for (int i = 0; i < kQuad; ++i) dots[row][i] += group.codes[line][row * kQuad + i] * quad[i];
    }
  }
  for (int row = 0; row < kPanelRows; ++row) {
    const float dot = dots[row][0] + dots[row][1] + dots[row][2] + dots[row][3];
    sums[row] += group.scales[row] * (scale * dot) + group.minima[row] * sum;
  }
}

void integer_panel(const Weight& w, const uint8_t* panel, const Activations& x, int first, int last,
                   float (*sums)[kPanelRows]) {
  OpenGroup open;
  for (int group = 0; group < w.groups(); ++group) {
    open_group(w.format, panel + w.group_bytes() * static_cast<size_t>(group), open);
    for (int token = first; token < last; ++token) {
      const size_t at = static_cast<size_t>(group) * static_cast<size_t>(x.tokens) + static_cast<size_t>(token);
      add_group(open, x.codes + at * kGroup, x.scales[at], x.sums[at], sums[token - first]);
    }
  }
}

void bfloat_panel(const Weight& w, const uint8_t* panel, const Activations& x, int first, int last,
                  float (*sums)[kPanelRows]) {
  for (int pair = 0; pair < w.columns / 2; ++pair) {
    uint16_t line[kPanelRows][2];
    std::memcpy(line, panel + static_cast<size_t>(pair) * sizeof line, sizeof line);
    for (int token = first; token < last; ++token) {
      const float* values = x.values + static_cast<size_t>(token) * static_cast<size_t>(w.columns) + pair * 2;
      for (int row = 0; row < kPanelRows; ++row) {
        sums[token - first][row] += from_bfloat(line[row][0]) * values[0] + from_bfloat(line[row][1]) * values[1];
      }
    }
  }
}

void matmul(const Weight& w, int first, int last, const Activations& x, float* y, ptrdiff_t stride) {
  for (int panel = first; panel < last; ++panel) {
    const uint8_t* data = w.data + w.panel_bytes() * static_cast<size_t>(panel);
    const int row = panel * kPanelRows;
    const int rows = std::min(kPanelRows, w.rows - row);
    for (int token = 0; token < x.tokens; token += kTokenTile) {
      const int end = std::min(token + kTokenTile, x.tokens);
      float sums[kTokenTile][kPanelRows] = {};
      (w.format == Format::bf16 ? bfloat_panel : integer_panel)(w, data, x, token, end, sums);
      for (int t = token; t < end; ++t) std::copy(sums[t - token], sums[t - token] + rows, y + t * stride + row);
    }
  }
}

void rms_norm(const float* x, const float* weight, int size, float eps, float* y) {
  float squares = 0;
  for (int i = 0; i < size; ++i) squares += x[i] * x[i];
  const float scale = 1 / std::sqrt(squares / static_cast<float>(size) + eps);
  for (int i = 0; i < size; ++i) y[i] = weight[i] * (x[i] * scale);
}

void silu_mul(const float* gate_up, int size, float* out) {
  const float* up = gate_up + size;
  for (int i = 0; i < size; ++i) out[i] = gate_up[i] / (1 + std::exp(-gate_up[i])) * up[i];
}

void rope(float* x, int heads, int head_dim, const float* cos, const float* sin) {
  const int half = head_dim / 2;
  for (int head = 0; head < heads; ++head, x += head_dim) {
    for (int i = 0; i < half; ++i) {
      const float low = x[i], high = x[i + half];
      x[i] = low * cos[i] - high * sin[i];
      x[i + half] = high * cos[i] + low * sin[i];
    }
  }
}

void layer_norm(const float* x, const float* weight, const float* bias, int size, float eps, float* y) {
  float sum = 0, squares = 0;
  for (int i = 0; i < size; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(size);
  for (int i = 0; i < size; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const float scale = 1 / std::sqrt(squares / static_cast<float>(size) + eps);
  for (int i = 0; i < size; ++i) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

void gelu(const float* x, const float* bias, int size, float* out) {
  constexpr float kTwice = 1.5957691216f, kCubed = 0.044715f;  // 2 sqrt(2 / pi)
  for (int i = 0; i < size; ++i) {
    const float v = x[i] + bias[i];
    out[i] = v / (1 + std::exp(-kTwice * (v + kCubed * v * v * v)));
  }
}

// Where block b, head h begins: in groups of 16 positions.
size_t head_block(const LayerCache& cache, int block, int head) {
  return static_cast<size_t>(block) * static_cast<size_t>(cache.heads) + static_cast<size_t>(head);
}

size_t head_bytes(const LayerCache& cache) { return static_cast<size_t>(cache.head_dim) * kBlockTokens; }

void store_kv(const LayerCache& cache, int block, int slot, const float* keys, const float* values) {
  constexpr int kLargestHead = 1024;
  int8_t codes[kLargestHead];
  for (int head = 0; head < cache.heads; ++head, keys += cache.head_dim, values += cache.head_dim) {
    const size_t place = head_block(cache, block, head), begin = place * head_bytes(cache);
    const size_t key_at = begin + static_cast<size_t>(slot);
    const size_t value_at = begin + static_cast<size_t>(slot) * static_cast<size_t>(cache.head_dim);
    if (cache.format == CacheFormat::bf16) {
      auto* k = static_cast<uint16_t*>(cache.keys) + key_at;
      auto* v = static_cast<uint16_t*>(cache.values) + value_at;
      for (int i = 0; i < cache.head_dim; ++i) k[i * kBlockTokens] = to_bfloat(keys[i]);
      for (int i = 0; i < cache.head_dim; ++i) v[i] = to_bfloat(values[i]);
      continue;
    }
    auto* k = static_cast<int8_t*>(cache.keys) + key_at;
    cache.key_scales[place * kBlockTokens + static_cast<size_t>(slot)] = codes_of(keys, cache.head_dim, codes);
    for (int i = 0; i < cache.head_dim; ++i) k[i * kBlockTokens] = codes[i];
    cache.value_scales[place * kBlockTokens + static_cast<size_t>(slot)] =
        codes_of(values, cache.head_dim, static_cast<int8_t*>(cache.values) + value_at);
  }
}

float number_at(const LayerCache& cache, const void* store, size_t at) {
  if (cache.format == CacheFormat::int8) return static_cast<float>(static_cast<const int8_t*>(store)[at]);
  return from_bfloat(static_cast<const uint16_t*>(store)[at]);
}

// q . key for the 16 positions of a block.
void score_block(const LayerCache& cache, size_t place, const float* q, float scale, float* scores) {
  std::fill(scores, scores + kBlockTokens, 0.0f);
  for (int i = 0; i < cache.head_dim; ++i) {
    const size_t line = place * head_bytes(cache) + static_cast<size_t>(i * kBlockTokens);
    for (int slot = 0; slot < kBlockTokens; ++slot) {
      scores[slot] += q[i] * number_at(cache, cache.keys, line + static_cast<size_t>(slot));
    }
  }
  for (int slot = 0; slot < kBlockTokens; ++slot) {
    scores[slot] *= cache.format == CacheFormat::int8
                        ? scale * cache.key_scales[place * kBlockTokens + static_cast<size_t>(slot)]
                        : scale;
  }
}

void add_values(const LayerCache& cache, size_t place, const float* weights, int slots, float* out) {
  for (int slot = 0; slot < slots; ++slot) {
    const size_t line = place * head_bytes(cache) + static_cast<size_t>(slot * cache.head_dim);
    const float scale = cache.format == CacheFormat::int8
                            ? cache.value_scales[place * kBlockTokens + static_cast<size_t>(slot)]
                            : 1;
    const float weight = weights[slot] * scale;
    for (int i = 0; i < cache.head_dim; ++i) {
      out[i] += weight * number_at(cache, cache.values, line + static_cast<size_t>(i));
    }
  }
}

// One query head of one token: scores of all blocks, softmax, weighted values.
void attend_head(const LayerCache& cache, const int32_t* table, int kv_head, int positions, const float* q, float* out,
                 float* scores) {
  const int blocks = (positions + kBlockTokens - 1) / kBlockTokens;
  const float scale = 1 / std::sqrt(static_cast<float>(cache.head_dim));
  for (int b = 0; b < blocks; ++b) {
    score_block(cache, head_block(cache, table[b], kv_head), q, scale, scores + b * kBlockTokens);
  }
  const float largest = *std::max_element(scores, scores + positions);
  float sum = 0;
  for (int p = 0; p < positions; ++p) {
    scores[p] = std::exp(scores[p] - largest);
    sum += scores[p];
  }
  std::fill(out, out + cache.head_dim, 0.0f);
  for (int b = 0; b < blocks; ++b) {
    const int slots = std::min(kBlockTokens, positions - b * kBlockTokens);
    add_values(cache, head_block(cache, table[b], kv_head), scores + b * kBlockTokens, slots, out);
  }
  for (int i = 0; i < cache.head_dim; ++i) out[i] /= sum;
}

// A task is one token and one key-value head with the query heads that share it.
int attend_tasks(const LayerCache& cache, const Queries& queries) { return queries.tokens * cache.heads; }

size_t attend_scratch(const LayerCache&, const Queries& queries) {
  const int32_t longest = *std::max_element(queries.position, queries.position + queries.tokens);
  return (static_cast<size_t>(longest) / kBlockTokens + 1) * kBlockTokens;
}

void attend(const LayerCache& cache, const Queries& queries, int task, float* scratch) {
  const int token = task / cache.heads, kv_head = task % cache.heads;
  const int group = queries.query_heads / cache.heads;
  const ptrdiff_t table = static_cast<ptrdiff_t>(queries.sequence[token]) * queries.table_stride;
  for (int head = kv_head * group; head < (kv_head + 1) * group; ++head) {
    const ptrdiff_t at = (static_cast<ptrdiff_t>(token) * queries.query_heads + head) * cache.head_dim;
    attend_head(cache, queries.tables + table, kv_head, queries.position[token] + 1, queries.q + at, queries.out + at,
                scratch);
  }
}

constexpr Kernels kTable = {"generic",  quantise, matmul, rms_norm,     silu_mul,       rope,
                            layer_norm, gelu,     store_kv, attend_tasks, attend_scratch, attend};

}  // namespace

const Kernels* generic_kernels() { return &kTable; }

}  // namespace seatrial
