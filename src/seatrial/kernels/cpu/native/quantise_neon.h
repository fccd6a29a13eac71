// Activations to codes, scales and sums, for NEON. In: rows of floats. Out: what `kernels.h` calls Activations, the
// same bits as the portable level gives.

#pragma once

#if !defined(SEATRIAL_EMULATED)  // else the intrinsics were declared before
#include <arm_neon.h>
#endif

#include <cstring>

#include "kernels.h"

namespace seatrial::SEATRIAL_LEVEL {

// 16 floats divided by `scale`, to the nearest whole numbers (ties to even), as bytes in order.
inline int8x16_t nearest_codes(const float32x4_t* x, float32x4_t scale) {
  int16x4_t n[4];
  for (int i = 0; i < 4; ++i) n[i] = vqmovn_s32(vcvtnq_s32_f32(vdivq_f32(x[i], scale)));
  return vcombine_s8(vqmovn_s16(vcombine_s16(n[0], n[1])), vqmovn_s16(vcombine_s16(n[2], n[3])));
}

// One group of 32 floats: its codes, its scale, and scale times the sum of the codes. Magnitudes are compared as bits,
// so that a NaN or an infinity is the largest; it makes the scale NaN, and with it every product of the token.
inline void quantise_group(const float* x, int8_t* codes, float* scale, float* sum) {
  constexpr float kSmallest = 1e-37f;  // below it, x / scale is not reliable and the group counts as zeros
  constexpr int32_t kInfinity = 0x7f800000;
  float32x4_t v[8];
  int32x4_t top = vdupq_n_s32(0);
  for (int i = 0; i < 8; ++i) {
    v[i] = vld1q_f32(x + 4 * i);
    top = vmaxq_s32(top, vandq_s32(vreinterpretq_s32_f32(v[i]), vdupq_n_s32(0x7fffffff)));
  }
  const int32_t bits = vmaxvq_s32(top);
  float largest;
  std::memcpy(&largest, &bits, 4);
  *scale = largest / 127.0f;
  if (bits >= kInfinity || *scale < kSmallest) {
    *sum = *scale = bits >= kInfinity ? __builtin_nanf("") : 0.0f;
    std::memset(codes, 0, kGroup);
    return;
  }
  const float32x4_t by = vdupq_n_f32(*scale);
  const int8x16_t low = nearest_codes(v, by), high = nearest_codes(v + 4, by);
  vst1q_s8(codes, low);
  vst1q_s8(codes + 16, high);
  *sum = *scale * static_cast<float>(vaddlvq_s8(low) + vaddlvq_s8(high));
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
