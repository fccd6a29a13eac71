// The two products of attention over one span of 64 positions: scores = queries x keys, outputs += weights x values.
//
// Both are tiles of R rows x W groups of 16 columns held in registers, over keys or values that are floats, bf16 or
// int8 and become floats as they are loaded. A score is one chain of fused multiply-adds over the dimensions, an output
// one over the positions, in order, so the bits do not depend on how rows and columns are tiled.
//
// Lengths: H head_dim; rows of `scores` are kSpan floats apart, rows of queries and outputs H.

#pragma once

#include <cstddef>
#include <cstdint>

#include "attention_plan.h"
#include "simd_float.h"
#include "unroll.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kSpanBlocks = kSpan / kBlockTokens;
constexpr int kTallRows = 6;

// How many groups of 16 columns go with R rows: sums, columns and a broadcast fit 16 registers of AVX2, or 32.
constexpr int wide_groups(int rows) { return kLanes == 16 ? 4 : rows <= 3 ? 2 : 1; }

// What keys and values are read from. What lies in the cache is read once by few rows, so the tile asks for the same
// place of the next span early: the hardware does not foresee blocks that lie anywhere.
struct FloatSource {
  using Element = float;
  static constexpr bool kCached = false;
  static Vec at(const float* from) { return load(from); }
};
struct Bf16Source {
  using Element = uint16_t;
  static constexpr bool kCached = true;
  static Vec at(const uint16_t* from) { return load_bf16(from); }
};
struct Int8Source {
  using Element = int8_t;
  static constexpr bool kCached = true;
  static Vec at(const int8_t* from) { return load_int8(from); }
};

// The blocks of a span and of the one after it (again the span's own where there is none).
template <class Source>
struct Blocks {
  const typename Source::Element* now[kSpanBlocks];
  const typename Source::Element* next[kSpanBlocks];
};

// sums[r, v] += left(r) * right(v). Whichever side has fewer is held in registers, the other passes through one.
template <int R, int V, class Left, class Right>
inline void add_products(const Left& left, const Right& right, Vec (&sums)[R][V]) {
  if constexpr (R < V) {
    Vec rows[R];
    for (int r = 0; r < R; ++r) rows[r] = left(r);
    for (int v = 0; v < V; ++v) {
      const Vec column = right(v);
      for (int r = 0; r < R; ++r) sums[r][v] = fma(rows[r], column, sums[r][v]);
    }
  } else {
    Vec columns[V];
    for (int v = 0; v < V; ++v) columns[v] = right(v);
    for (int r = 0; r < R; ++r) {
      const Vec row = left(r);
      for (int v = 0; v < V; ++v) sums[r][v] = fma(row, columns[v], sums[r][v]);
    }
  }
}

// scores[r, 16 w + i] = sum over d of q[r, d] * block first_block + w [d, i].
template <int R, int W, class Source>
__attribute__((noinline)) void score_tile(const float* q, const Blocks<Source>& blocks, int first_block, int head_dim,
                                          float* scores) {
  constexpr int kVectors = W * kPer16;
  constexpr int kPerLine = 64 / (kBlockTokens * static_cast<int>(sizeof(typename Source::Element)));
  const typename Source::Element* const* now = blocks.now + first_block;
  const typename Source::Element* const* next = blocks.next + first_block;
  Vec sums[R][kVectors];
  SEATRIAL_UNROLL
  for (int r = 0; r < R; ++r)
    SEATRIAL_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[r][v] = broadcast(0.0f);
  for (int d = 0; d < head_dim; ++d) {
    if constexpr (Source::kCached) {
      static_assert(W % kPerLine == 0 || kPerLine % W == 0);
      const int line = d / kPerLine * kPerLine * kBlockTokens;
      for (int w = d % kPerLine; w < W; w += kPerLine) __builtin_prefetch(next[w] + line);
    }
    add_products<R, kVectors>(
        [&](int r) { return broadcast(q[r * head_dim + d]); },
        [&](int v) { return Source::at(now[v / kPer16] + d * kBlockTokens + v % kPer16 * kLanes); }, sums);
  }
  SEATRIAL_UNROLL
  for (int r = 0; r < R; ++r)
    SEATRIAL_UNROLL
    for (int v = 0; v < kVectors; ++v) store(scores + r * kSpan + v * kLanes, sums[r][v]);
}

// out[r, i] = out[r, i] * shrink[r] + sum over p < count of weights[r, p] * values[p, i], for 16 W columns i from
// `column` on; position p stands at row p % 16 of block p / 16.
template <int R, int W, class Source>
__attribute__((noinline)) void value_tile(const float* weights, const Blocks<Source>& blocks, int column, int count,
                                          int head_dim, const float* shrink, float* out) {
  constexpr int kVectors = W * kPer16;
  Vec sums[R][kVectors];
  SEATRIAL_UNROLL
  for (int r = 0; r < R; ++r)
    SEATRIAL_UNROLL
    for (int v = 0; v < kVectors; ++v)
      sums[r][v] = mul(load(out + r * head_dim + column + v * kLanes), broadcast(shrink[r]));
  for (int start = 0; start < count; start += kBlockTokens) {
    const typename Source::Element* block = blocks.now[start / kBlockTokens] + column;
    int end = least(kBlockTokens, count - start);
    __asm__("" : "+r"(end));  // an unknown bound: unrolled 16 times the tile would not stay in registers
    for (int p = 0; p < end; ++p) {
      if constexpr (Source::kCached) __builtin_prefetch(blocks.next[start / kBlockTokens] + column + p * head_dim);
      add_products<R, kVectors>([&](int r) { return broadcast(weights[r * kSpan + start + p]); },
                                [&](int v) { return Source::at(block + p * head_dim + v * kLanes); }, sums);
    }
  }
  SEATRIAL_UNROLL
  for (int r = 0; r < R; ++r)
    SEATRIAL_UNROLL
    for (int v = 0; v < kVectors; ++v) store(out + r * head_dim + column + v * kLanes, sums[r][v]);
}

template <class Source>
struct ScoreProduct {
  const float* q;
  const Blocks<Source>& blocks;
  int head_dim;
  float* scores;

  template <int R, int W>
  void tile(int row, int group) const {
    score_tile<R, W>(q + row * head_dim, blocks, group, head_dim, scores + row * kSpan + group * kBlockTokens);
  }
};

template <class Source>
struct ValueProduct {
  const float* weights;
  const Blocks<Source>& blocks;
  int count, head_dim;
  const float* shrink;
  float* out;

  template <int R, int W>
  void tile(int row, int group) const {
    value_tile<R, W>(weights + row * kSpan, blocks, group * 16, count, head_dim, shrink + row, out + row * head_dim);
  }
};

// Rows [first, end) in tiles of R, all groups of columns; a group stays in the first-level cache for all its rows.
template <int R, class Product>
inline void cover_band(const Product& product, int first, int end, int groups) {
  constexpr int kWide = wide_groups(R);
  int group = 0;
  for (; group + kWide <= groups; group += kWide)
    for (int row = first; row < end; row += R) product.template tile<R, kWide>(row, group);
  for (; group < groups; ++group)
    for (int row = first; row < end; row += R) product.template tile<R, 1>(row, group);
}

// All `rows` rows and `groups` groups of 16 columns of a product.
template <class Product>
inline void cover(const Product& product, int rows, int groups) {
  const int tall = rows / kTallRows * kTallRows;
  if (tall > 0) cover_band<kTallRows>(product, 0, tall, groups);
  switch (rows - tall) {
    case 1: return cover_band<1>(product, tall, rows, groups);
    case 2: return cover_band<2>(product, tall, rows, groups);
    case 3: return cover_band<3>(product, tall, rows, groups);
    case 4: return cover_band<4>(product, tall, rows, groups);
    case 5: return cover_band<5>(product, tall, rows, groups);
    default: return;
  }
}

// Block i's keys or values as floats, in a buffer for the whole span. Returns where they stand.
template <class Source>
inline const float* widen(const Blocks<Source>& blocks, int i, int size, float* span) {
  constexpr int kLine = 64 / static_cast<int>(sizeof(typename Source::Element));
  float* to = span + i * size;
  for (int at = 0; at < size; at += kLanes) {
    if (at % kLine == 0) __builtin_prefetch(blocks.next[i] + at);
    store(to + at, Source::at(blocks.now[i] + at));
  }
  return to;
}

}  // namespace seatrial::SEATRIAL_LEVEL
