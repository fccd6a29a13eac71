// Vectors of floats, for code that is written once and compiled for every level.
//
// The including file sets SEATRIAL_LEVEL (avx2, avx512, ...): everything lands in that namespace, so that functions of
// two levels never share a symbol. The compiler's macros pick the width: 16 lanes with AVX-512, 8 with AVX2, 4 with
// NEON. Sums over 16 values follow one tree whatever the width, so levels with fused multiply-add agree bit for bit.
// Standard library templates are avoided: the linker would keep one level's copy for all.

#pragma once

#include <cstdint>
#include <cstring>

#ifndef SEATRIAL_LEVEL
#error "Define SEATRIAL_LEVEL, the namespace of the level, before this header."
#endif

#if defined(SEATRIAL_EMULATED)  // the intrinsics were declared before, by an emulation
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif

namespace seatrial::SEATRIAL_LEVEL {

#if defined(__AVX512F__)

using Vec = __m512;
constexpr int kLanes = 16;
inline Vec load(const float* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, Vec x) { _mm512_storeu_ps(to, x); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }   // a * b + c
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
inline Vec larger(Vec a, Vec b) { return _mm512_max_ps(a, b); }             // b where either is NaN
inline Vec smaller(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec choose_below(Vec x, Vec limit, Vec yes, Vec no) {  // yes where x < limit, else no
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), no, yes);
}
inline Vec power_of_two(Vec shifted) {  // 2^n, where n stands in the low bits of `shifted`
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(exponent, _mm512_set1_epi32(0x3f800000)));
}
inline Vec load_bf16(const uint16_t* from) {
  const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16));
}
inline Vec load_int8(const int8_t* from) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}
inline __m256 low(const Vec* x) { return _mm512_castps512_ps256(x[0]); }
inline __m256 high(const Vec* x) { return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x[0]), 1)); }

#elif defined(__AVX2__)

using Vec = __m256;
constexpr int kLanes = 8;
inline Vec load(const float* from) { return _mm256_loadu_ps(from); }
inline void store(float* to, Vec x) { _mm256_storeu_ps(to, x); }
inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }   // a * b + c
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a * b
inline Vec larger(Vec a, Vec b) { return _mm256_max_ps(a, b); }             // b where either is NaN
inline Vec smaller(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec choose_below(Vec x, Vec limit, Vec yes, Vec no) {  // yes where x < limit, else no
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, limit, _CMP_LT_OQ));
}
inline Vec power_of_two(Vec shifted) {  // 2^n, where n stands in the low bits of `shifted`
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_set1_epi32(0x3f800000)));
}
inline Vec load_bf16(const uint16_t* from) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
}
inline Vec load_int8(const int8_t* from) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}
inline __m256 low(const Vec* x) { return x[0]; }
inline __m256 high(const Vec* x) { return x[1]; }

#elif defined(__ARM_NEON)

using Vec = float32x4_t;
constexpr int kLanes = 4;
inline Vec load(const float* from) { return vld1q_f32(from); }
inline void store(float* to, Vec x) { vst1q_f32(to, x); }
inline Vec broadcast(float x) { return vdupq_n_f32(x); }
inline Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
inline Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
inline Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
inline Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }   // a * b + c
inline Vec fnma(Vec a, Vec b, Vec c) { return vfmsq_f32(c, a, b); }  // c - a * b
inline Vec larger(Vec a, Vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }  // b where either is NaN
inline Vec smaller(Vec a, Vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline Vec choose_below(Vec x, Vec limit, Vec yes, Vec no) {  // yes where x < limit, else no
  return vbslq_f32(vcltq_f32(x, limit), yes, no);
}
inline Vec power_of_two(Vec shifted) {  // 2^n, where n stands in the low bits of `shifted`
  const uint32x4_t exponent = vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23);  // unsigned, so that it may wrap around
  return vreinterpretq_f32_u32(vaddq_u32(exponent, vdupq_n_u32(0x3f800000)));
}
inline Vec load_bf16(const uint16_t* from) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(from), 16)); }
inline Vec load_int8(const int8_t* from) {
  int32_t four;
  std::memcpy(&four, from, sizeof four);
  const int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

#else
#error "A level that includes simd_float.h is compiled for AVX2, AVX-512 or NEON."
#endif

constexpr int kPer16 = 16 / kLanes;  // vectors that hold 16 floats

// The sum of 16 values, halves added to halves: 8 + 8, 4 + 4, 2 + 2, 1 + 1. And the largest of 16 values; where some
// are NaN it may be any of the others.
#if defined(__ARM_NEON)
inline float sum16(const Vec* x) {
  const Vec four = add(add(x[0], x[2]), add(x[1], x[3]));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline float peak16(const Vec* x) {
  float four[4];
  store(four, larger(larger(x[0], x[2]), larger(x[1], x[3])));
  const float even = four[0] > four[2] ? four[0] : four[2], odd = four[1] > four[3] ? four[1] : four[3];
  return even > odd ? even : odd;
}
#else
inline float sum16(const Vec* x) {
  const __m256 eight = _mm256_add_ps(low(x), high(x));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float peak16(const Vec* x) {
  const __m256 eight = _mm256_max_ps(low(x), high(x));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
#endif

// e^x for x up to 88, with a relative error below 2e-7; exactly 0 below -87.3; NaN stays NaN.
//
// x = n ln 2 + r with |r| <= ln 2 / 2, e^r = 1 + r + r^2 P(r), P fitted for the least relative error. Adding 1.5 * 2^23
// rounds to an integer and leaves it in the low bits: for x = -1.6, x / ln 2 = -2.31 gives n = -2 and r = -0.214.
inline Vec exp(Vec x) {
  const Vec shift = broadcast(12582912.0f);
  const Vec shifted = fma(x, broadcast(0x1.715476p+0f), shift);
  const Vec n = sub(shifted, shift);
  const Vec r = fnma(n, broadcast(-0x1.05c610p-29f), fnma(n, broadcast(0x1.62e430p-1f), x));
  Vec p = broadcast(0x1.6a2434p-10f);
  p = fma(p, r, broadcast(0x1.1239e2p-7f));
  p = fma(p, r, broadcast(0x1.5558f2p-5f));
  p = fma(p, r, broadcast(0x1.555492p-3f));
  p = fma(p, r, broadcast(0x1.fffffcp-2f));
  p = fma(fma(p, r, broadcast(1.0f)), r, broadcast(1.0f));
  return choose_below(x, broadcast(-87.3f), broadcast(0.0f), mul(p, power_of_two(shifted)));
}

inline float exp(float x) {
  float lanes[kLanes];
  store(lanes, exp(broadcast(x)));
  return lanes[0];
}

}  // namespace seatrial::SEATRIAL_LEVEL
