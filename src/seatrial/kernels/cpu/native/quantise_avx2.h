// Activations to codes, scales and sums, for every x86 level: AVX2 is enough, products take a hundred times as long.
// In: rows of floats. Out: what `kernels.h` calls Activations, the same bits as the portable level gives.

#pragma once

#if !defined(SEATRIAL_EMULATED)  // else the intrinsics were declared before
#include <immintrin.h>
#endif

#include <cstring>

#include "kernels.h"

namespace seatrial::SEATRIAL_LEVEL {

// The largest of 8 lanes.
inline int32_t top_lane(__m256i x) {
  __m128i top = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  top = _mm_max_epi32(top, _mm_shuffle_epi32(top, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(top, _mm_shuffle_epi32(top, 0xb1)));
}

// The sum of 32 signed bytes.
inline int32_t sum_bytes(__m256i bytes) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  __m128i total = _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
  total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(total, _mm_shuffle_epi32(total, 0xb1)));
}

// 32 floats divided by `scale`, to the nearest whole numbers, as bytes in order. Packing works within 128-bit lanes, so
// that dword d of the packed bytes holds values 8 * (d % 4) + 4 * (d / 4) and up: (0, 4, 1, 5, ...) puts them in order.
inline __m256i nearest_codes(const __m256 (&x)[4], float scale) {
  const __m256 by = _mm256_set1_ps(scale);
  __m256i n[4];
  for (int i = 0; i < 4; ++i) n[i] = _mm256_cvtps_epi32(_mm256_div_ps(x[i], by));
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// One group of 32 floats: its codes, its scale, and scale times the sum of the codes. Magnitudes are compared as bits,
// so that a NaN or an infinity is the largest; it makes the scale NaN, and with it every product of the token.
inline void quantise_group(const float* x, int8_t* codes, float* scale, float* sum) {
  constexpr float kSmallest = 1e-37f;  // below it, x / scale is not reliable and the group counts as zeros
  constexpr int32_t kInfinity = 0x7f800000;
  __m256 v[4];
  __m256i top = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_loadu_ps(x + 8 * i);
    const __m256i magnitude = _mm256_and_si256(_mm256_castps_si256(v[i]), _mm256_set1_epi32(0x7fffffff));
    top = _mm256_max_epi32(top, magnitude);
  }
  const int32_t bits = top_lane(top);
  float largest;
  std::memcpy(&largest, &bits, 4);
  *scale = largest / 127.0f;
  if (bits >= kInfinity || *scale < kSmallest) {
    *sum = *scale = bits >= kInfinity ? __builtin_nanf("") : 0.0f;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), _mm256_setzero_si256());
    return;
  }
  const __m256i bytes = nearest_codes(v, *scale);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), bytes);
  *sum = *scale * static_cast<float>(sum_bytes(bytes));
}

inline void quantise(const float* x, ptrdiff_t stride, const Activations& to, int first, int last) {
  const ptrdiff_t tokens = to.tokens;
  for (int t = first; t < last; ++t) {
    const float* row = x + t * stride;
    for (ptrdiff_t g = 0; g < to.columns / kGroup; ++g) {
      const ptrdiff_t at = g * tokens + t;
      quantise_group(row + g * kGroup, to.codes + at * kGroup, to.scales + at, to.sums + at);
    }
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
