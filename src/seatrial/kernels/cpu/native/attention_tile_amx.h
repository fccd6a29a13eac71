// Attention within a tile of a picture, for AMX: every token sees every other. In: one head's queries, keys and values
// as `TileHead` has them. Out: its rows.
//
// Both products are of bf16 (`tiles_bf16_amx.h`), the softmax between them of floats:
//   score[q, k]  = (q / sqrt(H)) . k
//   weight[q, k] = exp(score[q, k] - the row's largest), rounded to bf16
//   out[q, d]    = sum over k of weight[q, k] v[k, d] / sum over k of weight[q, k]
// The sum below is that of the rounded weights, so that they add up to one.
//
// Lengths: P tokens, padded to S (a multiple of 32); H head size, padded to K (of 32) for scores, W (of 16) for values.

#pragma once

#include <cmath>

#include "attention_tile.h"
#include "tiles_bf16_amx.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kTilesAbreast = 6;  // sums of 16 x 16 that are in tiles at once
constexpr int kRowGap = 16;       // floats between rows of scores, so that they do not meet in the cache

struct TileScratch {
  uint16_t* keys;     // [S / 16, K / 32] tiles
  uint16_t* values;   // [S / 32, W / 16] tiles
  uint16_t* queries;  // [K / 32] tiles
  float* scores;      // [16, S + kRowGap], then exponentials
  uint16_t* weights;  // [S / 32] tiles
  float* out;         // [16, W]
  float* rows;        // [2, K]

  void lay_out(int tokens, int head, Carver& carver) {
    const size_t s = static_cast<size_t>(padded_to(tokens, kTileDepth)), w = static_cast<size_t>(padded_to(head, 16));
    const size_t k = static_cast<size_t>(padded_to(head, kTileDepth));
    keys = carver.take<uint16_t>(s * k);
    values = carver.take<uint16_t>(s * w);
    queries = carver.take<uint16_t>(kBlock * k);
    scores = carver.take<float>(kBlock * (s + kRowGap));
    weights = carver.take<uint16_t>(kBlock * s);
    out = carver.take<float>(kBlock * w);
    rows = carver.take<float>(2 * k);
  }
};

inline size_t attend_tile_scratch(int tokens, int head) {
  Carver carver{nullptr};
  TileScratch().lay_out(tokens, head, carver);
  return carver.used;
}

// sums [16, 16 N] = the tiles of `a` x those of `b`: tile (c, j) of b lies at c * next + j * beside.
template <int N>
inline void multiply_abreast(const uint16_t* a, int depth, const uint16_t* b, ptrdiff_t next, ptrdiff_t beside,
                             float* sums, ptrdiff_t stride) {
  const ptrdiff_t bytes = stride * static_cast<ptrdiff_t>(sizeof(float));
  _tile_zero(0);
  if constexpr (N > 1) _tile_zero(1);
  if constexpr (N > 2) _tile_zero(2);
  if constexpr (N > 3) _tile_zero(3);
  if constexpr (N > 4) _tile_zero(4);
  if constexpr (N > 5) _tile_zero(5);
  for (int c = 0; c < depth; ++c, a += kTileNumbers, b += next) {
    _tile_loadd(6, a, 64);
    if constexpr (N > 0) _tile_loadd(7, b, 64);
    if constexpr (N > 0) _tile_dpbf16ps(0, 6, 7);
    if constexpr (N > 1) _tile_loadd(7, b + beside, 64);
    if constexpr (N > 1) _tile_dpbf16ps(1, 6, 7);
    if constexpr (N > 2) _tile_loadd(7, b + 2 * beside, 64);
    if constexpr (N > 2) _tile_dpbf16ps(2, 6, 7);
    if constexpr (N > 3) _tile_loadd(7, b + 3 * beside, 64);
    if constexpr (N > 3) _tile_dpbf16ps(3, 6, 7);
    if constexpr (N > 4) _tile_loadd(7, b + 4 * beside, 64);
    if constexpr (N > 4) _tile_dpbf16ps(4, 6, 7);
    if constexpr (N > 5) _tile_loadd(7, b + 5 * beside, 64);
    if constexpr (N > 5) _tile_dpbf16ps(5, 6, 7);
  }
  _tile_stored(0, sums, bytes);
  if constexpr (N > 1) _tile_stored(1, sums + 16, bytes);
  if constexpr (N > 2) _tile_stored(2, sums + 32, bytes);
  if constexpr (N > 3) _tile_stored(3, sums + 48, bytes);
  if constexpr (N > 4) _tile_stored(4, sums + 64, bytes);
  if constexpr (N > 5) _tile_stored(5, sums + 80, bytes);
}

inline void multiply_tiles(const uint16_t* a, int depth, const uint16_t* b, int columns, ptrdiff_t next,
                           ptrdiff_t beside, float* sums, ptrdiff_t stride) {
  for (; columns > 0; columns -= kTilesAbreast, b += kTilesAbreast * beside, sums += kTilesAbreast * 16) {
    switch (columns) {
      case 1: multiply_abreast<1>(a, depth, b, next, beside, sums, stride); break;
      case 2: multiply_abreast<2>(a, depth, b, next, beside, sums, stride); break;
      case 3: multiply_abreast<3>(a, depth, b, next, beside, sums, stride); break;
      case 4: multiply_abreast<4>(a, depth, b, next, beside, sums, stride); break;
      case 5: multiply_abreast<5>(a, depth, b, next, beside, sums, stride); break;
      default: multiply_abreast<6>(a, depth, b, next, beside, sums, stride);
    }
  }
}

// ------------------------------------------------------------------------------------------------ numbers into tiles

// Tokens that are not there are rows of zeros.
inline void pack_keys(const TileHead& tile, const TileScratch& s) {
  const int padded = padded_to(tile.head, kTileDepth), end = padded_to(tile.tokens, kTileDepth);
  alignas(64) uint16_t codes[kTileDepth];
  for (int t = 0; t < end; ++t) {
    read_token(tile, tile.keys, tile.key_bias, t, padded, s.rows);
    for (int i = 0; i < padded; i += kTileDepth) {
      uint16_t* column = s.keys + static_cast<ptrdiff_t>(t / 16) * 16 * padded + 16 * i + 2 * (t % 16);
      _mm512_store_si512(codes, round_to_bf16(load(s.rows + i), load(s.rows + i + 16)));
      for (int pair = 0; pair < 16; ++pair) std::memcpy(column + 32 * pair, codes + 2 * pair, 4);
    }
  }
}

inline void pack_values(const TileHead& tile, const TileScratch& s) {
  const int wide = padded_to(tile.head, 16), end = padded_to(tile.tokens, kTileDepth);
  float* rows[2] = {s.rows, s.rows + wide};
  for (int t = 0; t < end; t += 2) {
    for (int i = 0; i < 2; ++i) read_token(tile, tile.values, tile.value_bias, t + i, wide, rows[i]);
    uint16_t* lines = s.values + static_cast<ptrdiff_t>(t / kTileDepth) * kTileDepth * wide + t % kTileDepth * 16;
    for (int d = 0; d < wide; d += 16) {
      _mm512_store_si512(lines + 32 * d, pair_in_bf16(load(rows[0] + d), load(rows[1] + d)));
    }
  }
}

// ----------------------------------------------------------------------------------------------------- sixteen queries

// Sixteen tokens from t0 on into scores; past the last token they are zeros.
inline void score_rows(const TileHead& tile, const TileScratch& s, int t0) {
  const int padded = padded_to(tile.head, kTileDepth), end = padded_to(tile.tokens, kTileDepth);
  const Vec root = broadcast(1 / std::sqrt(static_cast<float>(tile.head)));
  for (int t = 0; t < kBlock; ++t) {
    read_token(tile, tile.queries, tile.query_bias, t0 + t, padded, s.rows);
    for (int i = 0; i < padded; i += kTileDepth) {
      const __m512i codes = round_to_bf16(mul(load(s.rows + i), root), mul(load(s.rows + i + 16), root));
      _mm512_store_si512(s.queries + 16 * i + kTileDepth * t, codes);
    }
  }
  settle_stores();
  const int depth = padded / kTileDepth;
  multiply_tiles(s.queries, depth, s.keys, end / 16, kTileNumbers, depth * kTileNumbers, s.scores, end + kRowGap);
  settle_stores();
  for (int t = 0; t < kBlock; ++t) {
    for (int k = tile.tokens; k < end; ++k) s.scores[t * (end + kRowGap) + k] = -__builtin_inff();
  }
}

// Row t of exponentials into weights. Returns one over their sum; NaN where the exponentials' sum is.
inline float weigh_row(const float* exponentials, int t, int end, uint16_t* weights) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  Vec even = broadcast(0), odd = broadcast(0);
  for (int k = 0; k < end; k += kTileDepth) {
    const __m512i both = round_to_bf16(load(exponentials + k), load(exponentials + k + 16));
    _mm512_store_si512(weights + 16 * k + kTileDepth * t, both);
    even = add(even, _mm512_castsi512_ps(_mm512_slli_epi32(both, 16)));
    odd = add(odd, _mm512_castsi512_ps(_mm512_and_si512(both, upper)));
  }
  const Vec all = add(even, odd);
  return 1.0f / sum16(&all);
}

inline void mix_values(const TileHead& tile, const TileScratch& s, int t0, int count, const float* shares) {
  const int end = padded_to(tile.tokens, kTileDepth), wide = padded_to(tile.head, 16);
  settle_stores();
  multiply_tiles(s.weights, end / kTileDepth, s.values, wide / 16, kTileDepth * wide, kTileNumbers, s.out, wide);
  settle_stores();
  for (int t = 0; t < count; ++t) {
    const Vec share = broadcast(shares[t]);
    for (int d = 0; d < tile.head; d += 16) {
      store_rows(tile.out + (t0 + t) * tile.out_stride + d, tile.head - d, mul(load(s.out + t * wide + d), share));
    }
  }
}

inline void attend_tile(const TileHead& tile, uint8_t* scratch) {
  Carver carver{scratch};
  TileScratch s;
  s.lay_out(tile.tokens, tile.head, carver);
  const int end = padded_to(tile.tokens, kTileDepth);
  _tile_loadconfig(&kWideTiles);
  pack_keys(tile, s);
  pack_values(tile, s);
  for (int t0 = 0; t0 < tile.tokens; t0 += kBlock) {
    const int left = tile.tokens - t0, count = left < kBlock ? left : kBlock;
    score_rows(tile, s, t0);
    float shares[kBlock];
    for (int t = 0; t < kBlock; ++t) {
      float* row = s.scores + t * (end + kRowGap);
      exponentials(row, end);
      shares[t] = weigh_row(row, t, end, s.weights);
    }
    mix_values(tile, s, t0, count, shares);
  }
  _tile_release();
}

}  // namespace seatrial::SEATRIAL_LEVEL
