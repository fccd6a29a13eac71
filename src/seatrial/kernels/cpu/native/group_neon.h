// One group of a panel times a few tokens, for NEON with dot products (Armv8.2). In: the group as `kernels.h` lays it
// out and the tokens' activations. Out: their running sums.
//
// `sdot` by element multiplies 16 signed weight codes, one quad of columns for 4 rows, by the same four codes of a
// token and adds them up in 32 bits; a token's codes of a group fill two registers, and a quad is one of their lanes.
// So a group costs 32 of them for 512 multiply-adds, whatever the format, and nothing has to be spread or widened.

#pragma once

#if !defined(SEATRIAL_EMULATED)  // else the intrinsics were declared before
#include <arm_neon.h>
#endif

#include "kernels.h"
#include "unroll.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kQuarters = 4;  // registers that hold a number for each of a panel's 16 rows

// ------------------------------------------------------------------------------------------------- scales of a group

struct GroupScales {
  float32x4_t scale[kQuarters];
  float32x4_t minimum[kQuarters];  // q4_1 only
};

inline float32x4_t load_halves(const uint8_t* p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }

template <Format F>
inline GroupScales group_scales(const uint8_t* group) {
  const uint8_t* scales = group + (F == Format::q8_0 ? 512 : 256);
  GroupScales s;
  for (int v = 0; v < kQuarters; ++v) {
    s.scale[v] = load_halves(scales + 8 * v);
    s.minimum[v] = F == Format::q4_1 ? load_halves(scales + 32 + 8 * v) : vdupq_n_f32(0.0f);
  }
  return s;
}

// A token's scale and sum in one group, in every lane; for q4_0 the sum times -8, the offset of its codes.
struct TokenScales {
  float32x4_t scale;
  float32x4_t total;
};

template <Format F>
inline TokenScales token_scales(const Activations& x, ptrdiff_t at) {
  return {vdupq_n_f32(x.scales[at]), vdupq_n_f32(F == Format::q4_0 ? x.sums[at] * -8.0f : x.sums[at])};
}

// The running sums of quarter v after one group: the arithmetic that every path shares.
template <Format F>
inline float32x4_t add_group(float32x4_t acc, int32x4_t dot, const GroupScales& s, int v, const TokenScales& x) {
  const float32x4_t value = vcvtq_f32_s32(dot);
  if (F == Format::q4_0) return vfmaq_f32(acc, s.scale[v], vfmaq_f32(x.total, x.scale, value));
  const float32x4_t scaled = vfmaq_f32(acc, s.scale[v], vmulq_f32(x.scale, value));
  return F == Format::q4_1 ? vfmaq_f32(scaled, s.minimum[v], x.total) : scaled;
}

// ------------------------------------------------------------------------------------------- whole numbers of a group

// Codes of T tokens, their quads 0..3 and 4..7, and their products with a group so far.
template <int T>
struct Dots {
  int8x16_t codes[T][2];
  int32x4_t sums[T][kQuarters];
};

template <int T>
inline void begin_group(const int8_t* codes, Dots<T>& dots) {
  for (int t = 0; t < T; ++t) {
    for (int half = 0; half < 2; ++half) dots.codes[t][half] = vld1q_s8(codes + kGroup * t + 16 * half);
    for (int v = 0; v < kQuarters; ++v) dots.sums[t][v] = vdupq_n_s32(0);
  }
}

// Quad 4 * Half + Lane of columns for the rows of quarter v.
template <int Half, int Lane, int T>
inline void add_quad(int8x16_t w, int v, Dots<T>& dots) {
  for (int t = 0; t < T; ++t) dots.sums[t][v] = vdotq_laneq_s32(dots.sums[t][v], w, dots.codes[t][Half], Lane);
}

// A line of 8-bit codes.
template <int Half, int Lane, int T>
inline void add_bytes(const int8_t* group, Dots<T>& dots) {
  const int8_t* line = group + 64 * (4 * Half + Lane);
  for (int v = 0; v < kQuarters; ++v) add_quad<Half, Lane>(vld1q_s8(line + 16 * v), v, dots);
}

// A line of 4-bit codes: one quad in the low nibbles, another in the high ones.
template <int Lane, int T>
inline void add_nibbles(const uint8_t* group, Dots<T>& dots) {
  for (int v = 0; v < kQuarters; ++v) {
    const uint8x16_t line = vld1q_u8(group + 64 * Lane + 16 * v);
    add_quad<0, Lane>(vreinterpretq_s8_u8(vandq_u8(line, vdupq_n_u8(15))), v, dots);
    add_quad<1, Lane>(vreinterpretq_s8_u8(vshrq_n_u8(line, 4)), v, dots);
  }
}

template <int T>
inline void multiply_bytes(const int8_t* group, const int8_t* codes, Dots<T>& dots) {
  begin_group(codes, dots);
  add_bytes<0, 0>(group, dots);
  add_bytes<0, 1>(group, dots);
  add_bytes<0, 2>(group, dots);
  add_bytes<0, 3>(group, dots);
  add_bytes<1, 0>(group, dots);
  add_bytes<1, 1>(group, dots);
  add_bytes<1, 2>(group, dots);
  add_bytes<1, 3>(group, dots);
}

template <int T>
inline void multiply_nibbles(const uint8_t* group, const int8_t* codes, Dots<T>& dots) {
  begin_group(codes, dots);
  add_nibbles<0>(group, dots);
  add_nibbles<1>(group, dots);
  add_nibbles<2>(group, dots);
  add_nibbles<3>(group, dots);
}

// The running sums of T tokens, from `at` on, after one group.
template <Format F, int T>
inline void add_dots(const Dots<T>& dots, const GroupScales& s, const Activations& x, ptrdiff_t at,
                     float32x4_t (*acc)[kQuarters]) {
  for (int t = 0; t < T; ++t) {
    const TokenScales token = token_scales<F>(x, at + t);
    for (int v = 0; v < kQuarters; ++v) acc[t][v] = add_group<F>(acc[t][v], dots.sums[t][v], s, v, token);
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
