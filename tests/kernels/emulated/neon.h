// NEON on any x86-64 machine: SIMDe's portable intrinsics, and what it lacks or rounds twice. Included before a level's
// source, which then includes no intrinsics of its own.

#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/arm/neon.h>

#include <cmath>
#include <cstdint>
#include <cstring>

// For sources that choose their vectors by the compiler's macros. Not before SIMDe, which would believe it.
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

// To the nearest whole number, ties to even; beyond the range, its end; 0 for NaN.
inline simde_int32x4_t emulated_nearest(simde_float32x4_t a) {
  float from[4];
  int32_t to[4];
  std::memcpy(from, &a, sizeof from);
  for (int i = 0; i < 4; ++i) {
    const float whole = std::nearbyint(from[i]);
    to[i] = whole != whole     ? 0
            : whole >= 0x1p31f ? INT32_MAX
            : whole < -0x1p31f ? INT32_MIN
                               : static_cast<int32_t>(whole);
  }
  simde_int32x4_t result;
  std::memcpy(&result, to, sizeof result);
  return result;
}

// Four halves, as eight bytes.
inline simde_float32x4_t emulated_halves_to_floats(simde_uint8x8_t halves) {
  uint16_t from[4];
  float to[4];
  std::memcpy(from, &halves, sizeof from);
  for (int i = 0; i < 4; ++i) {
    const int exponent = from[i] >> 10 & 31, fraction = from[i] & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                       : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
    to[i] = from[i] >> 15 ? -size : size;
  }
  simde_float32x4_t result;
  std::memcpy(&result, to, sizeof result);
  return result;
}

#undef vfmaq_f32
#undef vfmsq_f32
#undef vdivq_f32
#undef vcvtnq_s32_f32
#undef vcvt_f32_f16
#undef vreinterpret_f16_u8
#define vfmaq_f32 emulated_fma
#define vfmsq_f32 emulated_fms
#define vdivq_f32 emulated_div
#define vcvtnq_s32_f32 emulated_nearest
#define vcvt_f32_f16 emulated_halves_to_floats
#define vreinterpret_f16_u8(bytes) (bytes)
