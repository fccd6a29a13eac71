// Products of 16-bit numbers by pairs, for AVX2: what 8-bit weights with fine inputs and the attention of pictures have
// in common.
//
// `vpmaddwd` multiplies 16 numbers by 16 others and adds neighbours, into 8 sums of 32 bits. So 16 columns lie side by
// side, a pair of rows of each in a dword: a line of 64 bytes is a pair of rows, and a token's own pair meets all of
// it in one broadcast.

#pragma once

#if !defined(SEATRIAL_EMULATED)  // else the intrinsics were declared before
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "unroll.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kLine = 32;          // numbers in a line: 16 columns x a pair
constexpr int kRoundPairs = 4;     // lines are a multiple of these
constexpr int kTokensAbreast = 4;  // 8 sums, two halves of a line, an input and a product: in registers

// Here x is in a register. Without it GCC adds products to one another before it adds them to the sums, and is short of
// registers for that: sums then go through memory in every round.
inline __m256i hold(__m256i x) {
  asm("" : "+x"(x));
  return x;
}

// sums[t] = the products of token t, from tokens + t * stride, with `pairs` lines.
template <int T>
inline void dot_pairs(const int16_t* lines, const int16_t* tokens, ptrdiff_t stride, int pairs, __m256i (&sums)[T][2]) {
  SEATRIAL_UNROLL
  for (int t = 0; t < T; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
  for (int round = 0; round < pairs; round += kRoundPairs) {
    SEATRIAL_UNROLL
    for (int pair = round; pair < round + kRoundPairs; ++pair) {
      const auto* line = reinterpret_cast<const __m256i*>(lines + kLine * pair);
      const __m256i low = _mm256_load_si256(line), high = _mm256_load_si256(line + 1);
      SEATRIAL_UNROLL
      for (int t = 0; t < T; ++t) {
        int32_t two;
        std::memcpy(&two, tokens + stride * t + 2 * pair, 4);
        const __m256i x = _mm256_set1_epi32(two);
        sums[t][0] = hold(_mm256_add_epi32(sums[t][0], _mm256_madd_epi16(low, x)));
        sums[t][1] = hold(_mm256_add_epi32(sums[t][1], _mm256_madd_epi16(high, x)));
      }
    }
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
