// Attention within a tile of a picture, for AVX2: every token sees every other. In: one head's queries, keys and values
// as `TileHead` has them. Out: its rows.
//
// Both products are of 16 bits (`pairs_avx2.h`), twice as fast as floats. A query and a key have a scale each, a
// column of the values has one, and a row of weights is scaled so that neither a weight nor a sum overflows:
//   score[q, k]  = q_scale[q] * k_scale[k] * (q . k) / sqrt(H)
//   weight[q, k] = round(f e), e = exp(score[q, k] - the row's largest), f = min(32767, room / sum of e)
//   out[q, d]    = v_scale[d] * sum over k of weight[q, k] v[k, d] / sum over k of weight[q, k]
// A row where few keys matter has weights with 15 bits, one where a thousand matter alike has 8 bits for each.
//
// Lengths: P tokens, padded to S (a multiple of 16); H head size, padded to K (of 8) for scores, W (of 16) for values.

#pragma once

#include <cmath>

#include "attention_tile.h"
#include "linear_fine_avx2.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr float kMostValue = 8191;
constexpr float kMostWeight = 32767;

struct TileScratch {
  int16_t* keys;        // [S / 16, K / 2] lines
  float* key_scales;    // [S]
  int16_t* values;      // [W / 16, S / 2] lines
  float* value_scales;  // [W]
  int16_t* queries;     // [kTokensAbreast, K]
  float* query_scales;  // [kTokensAbreast]
  float* scores;        // [kTokensAbreast, S], then exponentials
  int16_t* weights;     // [kTokensAbreast, S]
  float* row;           // [2, W]
};

inline size_t lay_out_tile(int tokens, int head, uint8_t* base, TileScratch& to) {
  Carver carver{base};
  const size_t s = static_cast<size_t>(padded_to(tokens, 16)), w = static_cast<size_t>(padded_to(head, 16));
  to.keys = carver.take<int16_t>(s * w);
  to.key_scales = carver.take<float>(s);
  to.values = carver.take<int16_t>(s * w);
  to.value_scales = carver.take<float>(w);
  to.queries = carver.take<int16_t>(kTokensAbreast * w);
  to.query_scales = carver.take<float>(kTokensAbreast);
  to.scores = carver.take<float>(kTokensAbreast * s);
  to.weights = carver.take<int16_t>(kTokensAbreast * s);
  to.row = carver.take<float>(2 * w);
  return carver.used;
}

inline size_t attend_tile_scratch(int tokens, int head) {
  TileScratch scratch;
  return lay_out_tile(tokens, head, nullptr, scratch);
}

// ---------------------------------------------------------------------------------------------- numbers into 16 bits

// The largest code of queries and keys, so that H products of two fit into 32 bits.
inline float most_code(int head) {
  const float most = std::sqrt(2147483000.0f / static_cast<float>(padded_to(head, 8)));
  return static_cast<float>(static_cast<int>(most < 32767 ? most : 32767));
}

// A row [K] into codes in order. Returns its scale.
inline float code_row(const float* row, int padded, float most, int16_t* codes) {
  const float scale = fine_scale(row, padded, most);
  const __m256 by = inverse_of(scale);
  for (int i = 0; i < padded; i += 8) {
    const __m256i wide = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(row + i), by));
    const __m128i narrow = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i), narrow);
  }
  return scale;
}

inline void pack_keys(const TileHead& tile, const TileScratch& s) {
  const int padded = padded_to(tile.head, 8), end = padded_to(tile.tokens, 16);
  const float most = most_code(tile.head);
  auto* codes = reinterpret_cast<int16_t*>(s.row + padded_to(tile.head, 16));
  for (int t = 0; t < end; ++t) {
    int16_t* lines = s.keys + static_cast<ptrdiff_t>(t / 16) * 16 * padded + 2 * (t % 16);
    read_token(tile, tile.keys, tile.key_bias, t, padded, s.row);
    s.key_scales[t] = code_row(s.row, padded, most, codes);
    for (int pair = 0; pair < padded / 2; ++pair) std::memcpy(lines + kLine * pair, codes + 2 * pair, 4);
  }
}

// The scale of each column: its largest magnitude over kMostValue.
inline void scale_values(const TileHead& tile, const TileScratch& s) {
  const int wide = padded_to(tile.head, 16);
  for (int d = 0; d < wide; ++d) s.value_scales[d] = 0;
  for (int t = 0; t < tile.tokens; ++t) {
    const float* from = tile.values + t * tile.stride;
    ask_for_row(from, tile.head, tile.stride);
    for (int d = 0; d < tile.head; ++d) {
      const float size = std::fabs(from[d] + tile.value_bias[d]);
      s.value_scales[d] = size <= s.value_scales[d] ? s.value_scales[d] : size;  // a NaN stays
    }
  }
  for (int d = 0; d < wide; ++d) s.value_scales[d] = sound_scale(s.value_scales[d] / kMostValue);
}

inline void pack_values(const TileHead& tile, const TileScratch& s) {
  scale_values(tile, s);
  const int wide = padded_to(tile.head, 16), end = padded_to(tile.tokens, 16);
  float* rows[2] = {s.row, s.row + wide};
  for (int t = 0; t < end; t += 2) {
    for (int i = 0; i < 2; ++i) read_token(tile, tile.values, tile.value_bias, t + i, wide, rows[i]);
    for (int d = 0; d < wide; d += 16) {
      const __m256 by[2] = {inverses_of(s.value_scales + d), inverses_of(s.value_scales + d + 8)};
      const __m256i even = nearest_16(rows[0] + d, by[0], by[1]), odd = nearest_16(rows[1] + d, by[0], by[1]);
      auto* line = reinterpret_cast<__m256i*>(s.values + static_cast<ptrdiff_t>(d) * end + kLine * (t / 2));
      _mm256_store_si256(line, _mm256_unpacklo_epi16(even, odd));
      _mm256_store_si256(line + 1, _mm256_unpackhi_epi16(even, odd));
    }
  }
}

// ------------------------------------------------------------------------------------------------------- four queries

// Four tokens from t0 on into scores; past the last token they are zeros.
inline void score_rows(const TileHead& tile, const TileScratch& s, int t0) {
  const int padded = padded_to(tile.head, 8), end = padded_to(tile.tokens, 16);
  const float most = most_code(tile.head), root = 1 / std::sqrt(static_cast<float>(tile.head));
  for (int t = 0; t < kTokensAbreast; ++t) {
    read_token(tile, tile.queries, tile.query_bias, t0 + t, padded, s.row);
    s.query_scales[t] = root * code_row(s.row, padded, most, s.queries + t * padded);
  }
  for (int k = 0; k < end; k += 16) {
    __m256i dot[kTokensAbreast][2];
    dot_pairs(s.keys + static_cast<ptrdiff_t>(k) * padded, s.queries, padded, padded / 2, dot);
    const __m256 low = _mm256_load_ps(s.key_scales + k), high = _mm256_load_ps(s.key_scales + k + 8);
    SEATRIAL_UNROLL
    for (int t = 0; t < kTokensAbreast; ++t) {
      const __m256 scale = _mm256_set1_ps(s.query_scales[t]);
      float* to = s.scores + t * end + k;
      _mm256_store_ps(to, _mm256_mul_ps(_mm256_cvtepi32_ps(dot[t][0]), _mm256_mul_ps(scale, low)));
      _mm256_store_ps(to + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(dot[t][1]), _mm256_mul_ps(scale, high)));
    }
  }
  for (int t = 0; t < kTokensAbreast; ++t) {
    for (int k = tile.tokens; k < end; ++k) s.scores[t * end + k] = -__builtin_inff();
  }
}

// Exponentials into weights. Returns one over the sum of the weights; NaN where the exponentials' sum is.
inline float weigh_row(const float* exponentials, float sum, int end, int16_t* weights) {
  const float room = 2147483000.0f / kMostValue - static_cast<float>(end);  // every weight may be rounded up
  const float most = room / sum;
  const __m256 by = _mm256_set1_ps(most < kMostWeight ? most : kMostWeight);
  __m256i total = _mm256_setzero_si256();
  for (int k = 0; k < end; k += 16) {
    const __m256i packed = _mm256_permute4x64_epi64(nearest_16(exponentials + k, by, by), 0xd8);
    _mm256_store_si256(reinterpret_cast<__m256i*>(weights + k), packed);
    total = _mm256_add_epi32(total, _mm256_madd_epi16(packed, _mm256_set1_epi16(1)));
  }
  alignas(32) int32_t parts[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(parts), total);
  int32_t all = 0;
  for (const int32_t part : parts) all += part;
  return sum == sum ? 1.0f / static_cast<float>(all) : sum;
}

inline void mix_values(const TileHead& tile, const TileScratch& s, int t0, int count, const float* shares) {
  const int end = padded_to(tile.tokens, 16);
  for (int d = 0; d < tile.head; d += 16) {
    __m256i dot[kTokensAbreast][2];
    dot_pairs(s.values + static_cast<ptrdiff_t>(d) * end, s.weights, end, end / 2, dot);
    const __m256 low = _mm256_load_ps(s.value_scales + d), high = _mm256_load_ps(s.value_scales + d + 8);
    SEATRIAL_UNROLL
    for (int t = 0; t < kTokensAbreast; ++t) {
      if (t >= count) break;
      const __m256 share = _mm256_set1_ps(shares[t]);
      store_rows(tile.out + (t0 + t) * tile.out_stride + d, tile.head - d,
                 _mm256_mul_ps(_mm256_cvtepi32_ps(dot[t][0]), _mm256_mul_ps(share, low)),
                 _mm256_mul_ps(_mm256_cvtepi32_ps(dot[t][1]), _mm256_mul_ps(share, high)));
    }
  }
}

inline void attend_tile(const TileHead& tile, uint8_t* scratch) {
  TileScratch s;
  lay_out_tile(tile.tokens, tile.head, scratch, s);
  const int end = padded_to(tile.tokens, 16);
  pack_keys(tile, s);
  pack_values(tile, s);
  for (int t0 = 0; t0 < tile.tokens; t0 += kTokensAbreast) {
    const int left = tile.tokens - t0, count = left < kTokensAbreast ? left : kTokensAbreast;
    score_rows(tile, s, t0);
    float shares[kTokensAbreast];
    for (int t = 0; t < kTokensAbreast; ++t) {
      float* row = s.scores + t * end;
      const float sum = exponentials(row, end);
      shares[t] = weigh_row(row, sum, end, s.weights + t * end);
    }
    mix_values(tile, s, t0, count, shares);
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
