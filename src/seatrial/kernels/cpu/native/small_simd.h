// The small operations of a level: the two norms, SwiGLU, GELU, rotary embedding. One row or one token at a time,
// floats in and out; a result depends on the row alone. See kernels.h for the shapes.

#pragma once

#include <cmath>
#include <cstring>

#include "kernels.h"
#include "simd_float.h"

namespace seatrial::SEATRIAL_LEVEL {

// The sum of 32 running sums: to 16, and then as `sum16` does.
inline float fold(Vec (&sums)[2 * kPer16]) {
  for (int i = 0; i < kPer16; ++i) sums[i] = add(sums[i], sums[i + kPer16]);
  return sum16(sums);
}

// Zhang & Sennrich 2019, arXiv 1910.07467. Value i is added to sum i % 32, in order of i, fused; the 32 sums fold to 16
// and then as `sum16` does. Values past the last multiple of 32 are added one by one at the end.
inline void rms_norm(const float* x, const float* weight, int size, float eps, float* y) {
  constexpr int kSums = 2 * kPer16;
  Vec sums[kSums];
  for (Vec& sum : sums) sum = broadcast(0.0f);
  int at = 0;
  for (; at + 32 <= size; at += 32) {
    for (int i = 0; i < kSums; ++i) {
      const Vec value = load(x + at + i * kLanes);
      sums[i] = fma(value, value, sums[i]);
    }
  }
  float total = fold(sums);
  for (int i = at; i < size; ++i) total += x[i] * x[i];
  const float scale = 1.0f / std::sqrt(total / static_cast<float>(size) + eps);
  const Vec scales = broadcast(scale);
  for (at = 0; at + kLanes <= size; at += kLanes) store(y + at, mul(mul(load(x + at), scales), load(weight + at)));
  for (; at < size; ++at) y[at] = x[at] * scale * weight[at];
}

// Shazeer 2020, arXiv 2002.05202, section 2 (SwiGLU). Past e^88 the quotient is below 1e-36 and stays there.
inline Vec silu_mul(Vec gate, Vec up) {
  const Vec power = exp(smaller(broadcast(88.0f), sub(broadcast(0.0f), gate)));
  return mul(div(gate, add(broadcast(1.0f), power)), up);
}

inline void silu_mul(const float* gate_up, int size, float* out) {
  const float* up = gate_up + size;
  int at = 0;
  for (; at + kLanes <= size; at += kLanes) store(out + at, silu_mul(load(gate_up + at), load(up + at)));
  if (at == size) return;
  float lanes[2][kLanes] = {};
  const size_t rest = sizeof(float) * static_cast<size_t>(size - at);
  std::memcpy(lanes[0], gate_up + at, rest);
  std::memcpy(lanes[1], up + at, rest);
  store(lanes[0], silu_mul(load(lanes[0]), load(lanes[1])));
  std::memcpy(out + at, lanes[0], rest);
}

// Ba et al. 2016, arXiv 1607.06450. Both means are summed like the squares of `rms_norm`.
inline void layer_norm(const float* x, const float* weight, const float* bias, int size, float eps, float* y) {
  constexpr int kSums = 2 * kPer16;
  Vec sums[kSums], squares[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = squares[i] = broadcast(0.0f);
  int at = 0;
  for (; at + 32 <= size; at += 32) {
    for (int i = 0; i < kSums; ++i) sums[i] = add(sums[i], load(x + at + i * kLanes));
  }
  float total = fold(sums);
  for (int i = at; i < size; ++i) total += x[i];
  const float mean = total / static_cast<float>(size);
  const Vec means = broadcast(mean);
  for (at = 0; at + 32 <= size; at += 32) {
    for (int i = 0; i < kSums; ++i) {
      const Vec off = sub(load(x + at + i * kLanes), means);
      squares[i] = fma(off, off, squares[i]);
    }
  }
  total = fold(squares);
  for (int i = at; i < size; ++i) total += (x[i] - mean) * (x[i] - mean);
  const float scale = 1.0f / std::sqrt(total / static_cast<float>(size) + eps);
  const Vec scales = broadcast(scale);
  for (at = 0; at + kLanes <= size; at += kLanes) {
    const Vec unit = mul(sub(load(x + at), means), scales);
    store(y + at, add(mul(unit, load(weight + at)), load(bias + at)));
  }
  for (; at < size; ++at) y[at] = (x[at] - mean) * scale * weight[at] + bias[at];
}

// Hendrycks & Gimpel 2016, arXiv 1606.08415, the form with tanh, which is x sigmoid(2 u). Past e^88 as `silu_mul`.
inline Vec gelu(Vec x) {
  constexpr float kTwice = 1.5957691216f;  // 2 sqrt(2 / pi)
  const Vec twice_u = mul(x, fma(mul(x, x), broadcast(0.044715f * kTwice), broadcast(kTwice)));
  const Vec power = exp(smaller(broadcast(88.0f), sub(broadcast(0.0f), twice_u)));
  return div(x, add(broadcast(1.0f), power));
}

inline void gelu(const float* x, const float* bias, int size, float* out) {
  int at = 0;
  for (; at + kLanes <= size; at += kLanes) store(out + at, gelu(add(load(x + at), load(bias + at))));
  if (at == size) return;
  float lanes[2][kLanes] = {};
  const size_t rest = sizeof(float) * static_cast<size_t>(size - at);
  std::memcpy(lanes[0], x + at, rest);
  std::memcpy(lanes[1], bias + at, rest);
  store(lanes[0], gelu(add(load(lanes[0]), load(lanes[1]))));
  std::memcpy(out + at, lanes[0], rest);
}

// Su et al. 2021, arXiv 2104.09864, section 3.2, with the halves of a head as the pairs. Products are rounded before
// they are added, so every level and the plain definition give the same bits.
inline void rope(float* x, int heads, int head_dim, const float* cos, const float* sin) {
  const int half = head_dim / 2;
  for (int head = 0; head < heads; ++head) {
    float* first = x + head * head_dim;
    float* second = first + half;
    int at = 0;
    for (; at + kLanes <= half; at += kLanes) {
      const Vec a = load(first + at), b = load(second + at), c = load(cos + at), s = load(sin + at);
      store(first + at, sub(mul(a, c), mul(b, s)));
      store(second + at, add(mul(b, c), mul(a, s)));
    }
    for (; at < half; ++at) {
      const float a = first[at], b = second[at];
      first[at] = a * cos[at] - b * sin[at];
      second[at] = b * cos[at] + a * sin[at];
    }
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
