// The products of 8-bit weights with inputs in 16 bits, for AVX2. In: packed q8_0 weights and `FineActivations` as
// `kernels.h` lays them out. Out: rows of y.
//
// AVX2 has no product of bytes that is exact and adds up: `vpmaddubsw` leaves 16 bits, which four products overflow.
// `vpmaddwd` multiplies pairs of 16 bits into 32, where a group of 32 columns has room: 32 * 128 * 32,767 is a
// sixteenth of it. Widened to 16 bits once for 64 tokens, weights meet inputs that keep 256 times as many steps, in
// as many instructions as two passes over nibbles take (`linear_avx2.h`), and with less to do at the end of a group.
//
// A row of y for one token, with g rising and dot[g] an exact integer:
//   y = x_scale * sum over g of w_scale[g] * dot[g], each term fused into the running sum
// so a token has the same bits alone and in any batch.

#pragma once

#include "linear_avx2.h"
#include "pairs_avx2.h"

namespace seatrial::SEATRIAL_LEVEL {

// A group as 16 pairs of columns, each 16 rows x 2 codes of 16 bits.
struct FineGroup {
  alignas(32) int16_t codes[kGroup / 2][2][16];
  __m256 scale[2];
};

// Bytes 2i and 2i+1 of a dword become the upper halves of 16 bits and are shifted down with their sign.
inline __m256i widen_pair(__m256i quads, int pair) {
  const __m256i first = _mm256_setr_epi8(-1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13,  //
                                         -1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13);
  const __m256i second = _mm256_setr_epi8(-1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15,  //
                                          -1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15);
  return _mm256_srai_epi16(_mm256_shuffle_epi8(quads, pair == 0 ? first : second), 8);
}

inline void widen_group(const uint8_t* group, FineGroup& to) {
  for (int quad = 0; quad < kGroup / 4; ++quad) {
    for (int h = 0; h < 2; ++h) {
      const __m256i line = load_line(group, quad, h);
      for (int pair = 0; pair < 2; ++pair) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(to.codes[2 * quad + pair][h]), widen_pair(line, pair));
      }
    }
  }
  const GroupScales scales = group_scales<Format::q8_0>(group);
  to.scale[0] = scales.scale[0];
  to.scale[1] = scales.scale[1];
}

// One group for T tokens, from `codes` [T, 32] into running sums [T, 16].
template <int T>
inline void add_fine(const FineGroup& w, const int16_t* codes, float* sums) {
  __m256i dot[T][2];
  dot_pairs<T>(w.codes[0][0], codes, kGroup, kGroup / 2, dot);
  SEATRIAL_UNROLL
  for (int t = 0; t < T; ++t) {
    for (int h = 0; h < 2; ++h) {
      float* sum = sums + kPanelRows * t + 8 * h;
      _mm256_store_ps(sum, _mm256_fmadd_ps(w.scale[h], _mm256_cvtepi32_ps(dot[t][h]), _mm256_load_ps(sum)));
    }
  }
}

inline void add_fine_group(const FineGroup& w, const int16_t* codes, int tokens, float* sums) {
  int t = 0;
  for (; t + kTokensAbreast <= tokens; t += kTokensAbreast) {
    add_fine<kTokensAbreast>(w, codes + kGroup * t, sums + kPanelRows * t);
  }
  for (; t < tokens; ++t) add_fine<1>(w, codes + kGroup * t, sums + kPanelRows * t);
}

// One panel for up to kTileTokens tokens from t0.
inline void panel_fine(const Weight& w, int panel, const FineActivations& x, int t0, int tokens, float* y,
                       ptrdiff_t stride) {
  const uint8_t* data = w.data + panel * w.panel_bytes();
  alignas(32) float sums[kTileTokens * kPanelRows] = {};
  FineGroup group;
  for (int g = 0; g < w.groups(); ++g) {
    const uint8_t* packed = data + g * group_bytes<Format::q8_0>();
    ask_for_group<Format::q8_0>(packed);
    widen_group(packed, group);
    add_fine_group(group, x.codes + (static_cast<ptrdiff_t>(g) * x.tokens + t0) * kGroup, tokens, sums);
  }
  float* out = y + t0 * stride + static_cast<ptrdiff_t>(panel) * kPanelRows;
  for (int t = 0; t < tokens; ++t) {
    const __m256 scale = _mm256_set1_ps(x.scales[t0 + t]);
    const float* sum = sums + kPanelRows * t;
    store_rows(out + t * stride, w.rows - panel * kPanelRows, _mm256_mul_ps(scale, _mm256_load_ps(sum)),
               _mm256_mul_ps(scale, _mm256_load_ps(sum + 8)));
  }
}

inline void matmul_fine(const Weight& w, int first, int last, const FineActivations& x, float* y, ptrdiff_t stride) {
  for (int i = 0; i < num_shares(x.tokens); ++i) {
    const auto [t0, tokens] = share_of(x.tokens, i);
    for (int panel = first; panel < last; ++panel) panel_fine(w, panel, x, t0, tokens, y, stride);
  }
}

// --------------------------------------------------------------------------------------------------------- quantising

// The largest magnitude of a row, as bits: NaN and infinity are the largest.
inline int32_t largest_bits(const float* x, int size) {
  __m256i top = _mm256_setzero_si256();
  for (int k = 0; k < size; k += 8) {
    const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + k));
    top = _mm256_max_epi32(top, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
  }
  return top_lane(top);
}

// A scale that can be divided by, 0 for what is next to nothing, or NaN for what is infinite or NaN.
inline float sound_scale(float scale) {
  constexpr float kSmallest = 1e-34f;
  if (!(scale < __builtin_inff())) return __builtin_nanf("");
  return scale < kSmallest ? 0.0f : scale;
}

// The scale with which the largest of a row becomes `most`.
inline float fine_scale(const float* x, int size, float most) {
  const int32_t bits = largest_bits(x, size);
  float largest;
  std::memcpy(&largest, &bits, 4);
  return sound_scale(largest / most);
}

// One over each scale, 0 for 0.
inline __m256 inverses_of(const float* scales) {
  const __m256 x = _mm256_loadu_ps(scales);
  const __m256 there = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ);
  return _mm256_and_ps(there, _mm256_div_ps(_mm256_set1_ps(1.0f), x));
}

inline __m256 inverse_of(float scale) { return _mm256_set1_ps(scale != 0 ? 1.0f / scale : 0.0f); }

// 16 numbers times `low` and `high`, to the nearest whole ones: 0..3, 8..11, 4..7, 12..15, as packing leaves them.
inline __m256i nearest_16(const float* x, __m256 low, __m256 high) {
  return _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), low)),
                            _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), high)));
}

inline bool is_fine(Format format) { return format == Format::q8_0; }

inline void quantise_fine(const float* x, int token, const FineActivations& to) {
  const float scale = fine_scale(x, to.columns, 32767.0f);
  to.scales[token] = scale;
  const __m256 by = inverse_of(scale);
  for (int k = 0; k < to.columns; k += 16) {
    int16_t* codes = to.codes + (static_cast<ptrdiff_t>(k / kGroup) * to.tokens + token) * kGroup + k % kGroup;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), _mm256_permute4x64_epi64(nearest_16(x + k, by, by), 0xd8));
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
