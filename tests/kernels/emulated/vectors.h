// What vectors.cpp needs of another instruction set: SIMDe's portable intrinsics, and what it lacks or rounds twice.
// WIDTH 16 stands for AVX-512, 4 for NEON; with 8 the machine's own AVX2 is used.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if WIDTH == 16

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

#elif WIDTH == 4

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/arm/neon.h>
#define __ARM_NEON 1

template <class Combine>
inline simde_float32x4_t emulated_each(simde_float32x4_t a, simde_float32x4_t b, simde_float32x4_t c,
                                       const Combine& combine) {
  float x[4], y[4], z[4];
  std::memcpy(x, &a, sizeof x);
  std::memcpy(y, &b, sizeof y);
  std::memcpy(z, &c, sizeof z);
  for (int i = 0; i < 4; ++i) z[i] = combine(x[i], y[i], z[i]);
  std::memcpy(&c, z, sizeof z);
  return c;
}

inline simde_float32x4_t emulated_fma(simde_float32x4_t c, simde_float32x4_t a, simde_float32x4_t b) {
  return emulated_each(a, b, c, [](float x, float y, float z) { return std::fma(x, y, z); });
}
inline simde_float32x4_t emulated_fms(simde_float32x4_t c, simde_float32x4_t a, simde_float32x4_t b) {
  return emulated_each(a, b, c, [](float x, float y, float z) { return std::fma(-x, y, z); });
}
inline simde_float32x4_t emulated_div(simde_float32x4_t a, simde_float32x4_t b) {
  return emulated_each(a, b, a, [](float x, float y, float) { return x / y; });
}

#undef vfmaq_f32
#undef vfmsq_f32
#undef vdivq_f32
#define vfmaq_f32 emulated_fma
#define vfmsq_f32 emulated_fms
#define vdivq_f32 emulated_div

#endif
