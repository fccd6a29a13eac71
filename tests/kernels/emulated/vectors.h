// What vectors.cpp needs of another instruction set: SIMDe's portable intrinsics, and what it lacks or rounds twice.
// WIDTH 16 stands for AVX-512, 4 for NEON. With 8 the machine's own AVX2 is used, with 4 its own NEON if it has that.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if WIDTH == 16

#define SEATRIAL_EMULATED
#include "intrinsics.h"

template <class From>
inline __m512i emulated_widen(const void* raw) {
  From from[16];
  int32_t to[16];
  std::memcpy(from, raw, sizeof from);
  for (int i = 0; i < 16; ++i) to[i] = from[i];
  return _mm512_loadu_si512(to);
}

inline __m512i emulated_u16(__m256i from) { return emulated_widen<uint16_t>(&from); }
inline __m512i emulated_i8(__m128i from) { return emulated_widen<int8_t>(&from); }
inline __m512 emulated_fnma(__m512 a, __m512 b, __m512 c) {
  return emulated_fma(_mm512_sub_ps(_mm512_setzero_ps(), a), b, c);
}

#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi8_epi32
#undef _mm512_fnmadd_ps
#define _mm512_cvtepu16_epi32 emulated_u16
#define _mm512_cvtepi8_epi32 emulated_i8
#define _mm512_fnmadd_ps emulated_fnma

#elif WIDTH == 4 && !defined(__ARM_NEON)
#define SEATRIAL_EMULATED
#include "neon.h"

#endif
