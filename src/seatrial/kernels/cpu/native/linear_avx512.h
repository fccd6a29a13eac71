// The products for AVX-512 with VNNI. In: packed weights and activations as `kernels.h` lays them out. Out: rows of y.
//
// `vpdpbusd` multiplies 64 unsigned weight codes, one quad of columns for the 16 rows of a panel, by four signed codes
// of a token and adds them up in 32 bits: a group of 32 columns costs 8 of them and at most 5 further operations for
// 512 multiply-adds. Signed 8-bit codes are made unsigned by adding 128, which is taken off the sum again.
//
// dot[g] is an exact integer and the float operations are those of `linear_avx2.h`, in the same order: levels agree bit
// for bit, and so does a token alone and in any batch.

#pragma once

#if !defined(SEATRIAL_EMULATED)  // else the intrinsics were declared before
#include <immintrin.h>
#endif

#include <cstring>

#include "kernels.h"
#include "panel_walk.h"
#include "quantise_avx2.h"

namespace seatrial::SEATRIAL_LEVEL {


// ------------------------------------------------------------------------------------------------------ one group

// A group of a panel, ready to multiply: 8 quads of 16 rows x 4 unsigned codes, scales and minima.
struct Group {
  __m512i quads[8];
  __m512 scale;
  __m512 minimum;  // q4_1 only
};

inline __m512i load_line(const uint8_t* group, int line) { return _mm512_loadu_si512(group + 64 * line); }

inline __m512 load_halves(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

template <Format F>
inline Group open_group(const uint8_t* group) {
  Group to;
  if (F == Format::q8_0) {
    for (int q = 0; q < 8; ++q) to.quads[q] = _mm512_xor_si512(load_line(group, q), _mm512_set1_epi8(-128));
  } else {
    const __m512i nibble = _mm512_set1_epi8(15);
    for (int i = 0; i < 4; ++i) {
      const __m512i line = load_line(group, i);
      to.quads[i] = _mm512_and_si512(line, nibble);
      to.quads[i + 4] = _mm512_and_si512(_mm512_srli_epi16(line, 4), nibble);
    }
  }
  const uint8_t* scales = group + (F == Format::q8_0 ? 512 : 256);
  to.scale = load_halves(scales);
  to.minimum = F == Format::q4_1 ? load_halves(scales + 32) : _mm512_setzero_ps();
  return to;
}

// ------------------------------------------------------------------------------------------------------ one token

inline __m512i spread(const int8_t* codes) {
  int32_t four;
  std::memcpy(&four, codes, 4);
  return _mm512_set1_epi32(four);
}

// 128 times the sum of a token's codes in a group. The quotient is off by two roundings at most, so that the nearest
// whole number is the sum (below 4,064). A scale of 0 or NaN gives a number that does not matter.
inline int32_t offset(float sum, float scale) {
  return _mm_cvtsi128_si32(_mm_slli_epi32(_mm_cvtps_epi32(_mm_div_ss(_mm_set_ss(sum), _mm_set_ss(scale))), 7));
}

// Products of one token with a group, for 16 rows: two chains, since each product waits for the one before.
template <Format F>
inline __m512i dot_group(const Group& w, const Activations& x, ptrdiff_t at) {
  const int8_t* codes = x.codes + at * kGroup;
  __m512i a = _mm512_setzero_si512(), b = a;
  if (F == Format::q8_0) a = _mm512_set1_epi32(-offset(x.sums[at], x.scales[at]));
  for (int q = 0; q < 8; q += 2) {
    a = _mm512_dpbusd_epi32(a, w.quads[q], spread(codes + 4 * q));
    b = _mm512_dpbusd_epi32(b, w.quads[q + 1], spread(codes + 4 * q + 4));
  }
  return _mm512_add_epi32(a, b);
}

// The running sums after one group: the arithmetic that every path shares. `total` is the token's sum in every lane,
// for q4_0 times -8, the offset of its codes.
template <Format F>
inline __m512 add_group(__m512 acc, __m512i dot, __m512 scale, __m512 minimum, float x_scale, __m512 total) {
  const __m512 value = _mm512_cvtepi32_ps(dot), by = _mm512_set1_ps(x_scale);
  if (F == Format::q4_0) return _mm512_fmadd_ps(scale, _mm512_fmadd_ps(by, value, total), acc);
  const __m512 scaled = _mm512_fmadd_ps(scale, _mm512_mul_ps(by, value), acc);
  return F == Format::q4_1 ? _mm512_fmadd_ps(minimum, total, scaled) : scaled;
}

// Write 16 rows of one token, or as many as the matrix has.
inline void store_rows(float* y, int rows, __m512 values) {
  const __mmask16 mask = static_cast<__mmask16>(rows >= kPanelRows ? 0xffff : (1 << rows) - 1);
  _mm512_mask_storeu_ps(y, mask, values);
}

// ------------------------------------------------------------------------------------------------------- one panel

// A panel for `tokens` tokens from t0. T is their number where it is small and known, so that the running sums stay in
// registers; 0 for up to kTileTokens.
template <Format F, int T>
inline void pass_panel(const uint8_t* panel, int groups, const Activations& x, int t0, int tokens, float* y,
                       ptrdiff_t stride, int rows) {
  const int count = T > 0 ? T : tokens;
  __m512 acc[T > 0 ? T : kTileTokens];
  for (int t = 0; t < count; ++t) acc[t] = _mm512_setzero_ps();
  for (int g = 0; g < groups; ++g) {
    const uint8_t* from = panel + g * group_bytes<F>();
    const ptrdiff_t at = static_cast<ptrdiff_t>(g) * x.tokens + t0;
    ask_for_group<F>(from);
    const Group w = open_group<F>(from);
    for (int t = 0; t < count; ++t) {
      const __m512i dot = dot_group<F>(w, x, at + t);
      __m512 total = _mm512_set1_ps(x.sums[at + t]);
      if (F == Format::q4_0) total = _mm512_mul_ps(total, _mm512_set1_ps(-8.0f));
      acc[t] = add_group<F>(acc[t], dot, w.scale, w.minimum, x.scales[at + t], total);
    }
  }
  for (int t = 0; t < count; ++t) store_rows(y + t * stride, rows, acc[t]);
}

// bf16 in float: even columns of a pair by a shift, odd ones by a mask, a running sum for each, added at the end.
template <int T>
inline void pass_bf16(const uint8_t* panel, int columns, const Activations& x, int t0, float* y, ptrdiff_t stride,
                      int rows) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  const float* values = x.values + static_cast<ptrdiff_t>(t0) * columns;
  __m512 even[T], odd[T];
  for (int t = 0; t < T; ++t) even[t] = odd[t] = _mm512_setzero_ps();
  for (int k = 0; k < columns; k += 2) {
    const uint8_t* pair = panel + static_cast<ptrdiff_t>(k) * 32;
    ask_for(pair, kPrefetchBytes);
    const __m512i both = load_line(pair, 0);
    const __m512 w_even = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    const __m512 w_odd = _mm512_castsi512_ps(_mm512_and_si512(both, upper));
    for (int t = 0; t < T; ++t) {
      const float* token = values + static_cast<ptrdiff_t>(t) * columns + k;
      even[t] = _mm512_fmadd_ps(w_even, _mm512_set1_ps(token[0]), even[t]);
      odd[t] = _mm512_fmadd_ps(w_odd, _mm512_set1_ps(token[1]), odd[t]);
    }
  }
  for (int t = 0; t < T; ++t) store_rows(y + t * stride, rows, _mm512_add_ps(even[t], odd[t]));
}

// ------------------------------------------------------------------------------------------------------------- matmul

template <Format F>
inline void panel_codes(const Weight& w, int panel, const Activations& x, int t0, int tokens, float* y,
                        ptrdiff_t stride) {
  const uint8_t* data = w.data + panel * w.panel_bytes();
  float* out = y + t0 * stride + static_cast<ptrdiff_t>(panel) * kPanelRows;
  const int rows = w.rows - panel * kPanelRows, groups = w.groups();
  switch (tokens) {
    case 1: return pass_panel<F, 1>(data, groups, x, t0, tokens, out, stride, rows);
    case 2: return pass_panel<F, 2>(data, groups, x, t0, tokens, out, stride, rows);
    case 3: return pass_panel<F, 3>(data, groups, x, t0, tokens, out, stride, rows);
    case 4: return pass_panel<F, 4>(data, groups, x, t0, tokens, out, stride, rows);
    default: return pass_panel<F, 0>(data, groups, x, t0, tokens, out, stride, rows);
  }
}

// bf16: 8 tokens at once (16 running sums), and what is left one by one.
inline void panel_bf16(const Weight& w, int panel, const Activations& x, int t0, int tokens, float* y,
                       ptrdiff_t stride) {
  const uint8_t* data = w.data + panel * w.panel_bytes();
  const int rows = w.rows - panel * kPanelRows, end = t0 + tokens;
  float* out = y + static_cast<ptrdiff_t>(panel) * kPanelRows;
  int t = t0;
  for (; t + 8 <= end; t += 8) pass_bf16<8>(data, w.columns, x, t, out + t * stride, stride, rows);
  for (; t + 4 <= end; t += 4) pass_bf16<4>(data, w.columns, x, t, out + t * stride, stride, rows);
  for (; t + 2 <= end; t += 2) pass_bf16<2>(data, w.columns, x, t, out + t * stride, stride, rows);
  if (t < end) pass_bf16<1>(data, w.columns, x, t, out + t * stride, stride, rows);
}

inline void matmul(const Weight& w, int first, int last, const Activations& x, float* y, ptrdiff_t stride) {
  for (int i = 0; i < num_shares(x.tokens); ++i) {
    const auto [t0, tokens] = share_of(x.tokens, i);
    for (int panel = first; panel < last; ++panel) {
      switch (w.format) {
        case Format::q4_0: panel_codes<Format::q4_0>(w, panel, x, t0, tokens, y, stride); break;
        case Format::q4_1: panel_codes<Format::q4_1>(w, panel, x, t0, tokens, y, stride); break;
        case Format::q8_0: panel_codes<Format::q8_0>(w, panel, x, t0, tokens, y, stride); break;
        default: panel_bf16(w, panel, x, t0, tokens, y, stride);
      }
    }
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
