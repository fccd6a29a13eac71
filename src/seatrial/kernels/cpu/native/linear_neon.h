// The products for NEON with dot products (Armv8.2). In: packed weights and activations as `kernels.h` lays them out.
// Out: rows of y.
//
// A few tokens take the weights as they come. More share the work of unpacking 4-bit codes: a group is opened once and
// stays in the first-level cache for all of them.
//
// dot[g] is an exact integer and the float operations are those of `linear_avx2.h`, in the same order: levels agree bit
// for bit, and so does a token alone and in any batch.

#pragma once

#if !defined(SEATRIAL_EMULATED)  // else the intrinsics were declared before
#include <arm_neon.h>
#endif

#include <cstring>

#include "group_neon.h"
#include "kernels.h"
#include "panel_walk.h"
#include "quantise_neon.h"
#include "unroll.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kBlockedTokens = 4;  // tokens that go through a group together: 16 sums and 8 registers of codes

// Write 16 rows of one token, or as many as the matrix has.
inline void store_rows(float* y, int rows, const float32x4_t (&values)[kQuarters]) {
  if (rows >= kPanelRows) {
    SEATRIAL_UNROLL
    for (int v = 0; v < kQuarters; ++v) vst1q_f32(y + 4 * v, values[v]);
    return;
  }
  float all[kPanelRows];
  for (int v = 0; v < kQuarters; ++v) vst1q_f32(all + 4 * v, values[v]);
  std::memcpy(y, all, sizeof(float) * static_cast<size_t>(rows));
}

// ---------------------------------------------------------------------------------------------------------- few tokens

// One panel for T tokens from t0: everything in registers, the weights read once.
template <Format F, int T>
inline void few(const uint8_t* panel, int groups, const Activations& x, int t0, float* y, ptrdiff_t stride, int rows) {
  float32x4_t acc[T][kQuarters];
  SEATRIAL_UNROLL
  for (int t = 0; t < T; ++t)
    SEATRIAL_UNROLL
    for (int v = 0; v < kQuarters; ++v) acc[t][v] = vdupq_n_f32(0.0f);
  for (int g = 0; g < groups; ++g) {
    const uint8_t* group = panel + g * group_bytes<F>();
    const ptrdiff_t at = static_cast<ptrdiff_t>(g) * x.tokens + t0;
    const int8_t* codes = x.codes + at * kGroup;
    ask_for_group<F>(group);
    Dots<T> dots;
    if constexpr (F == Format::q8_0) {
      multiply_bytes(reinterpret_cast<const int8_t*>(group), codes, dots);
    } else {
      multiply_nibbles(group, codes, dots);
    }
    add_dots<F>(dots, group_scales<F>(group), x, at, acc);
  }
  SEATRIAL_UNROLL
  for (int t = 0; t < T; ++t) store_rows(y + t * stride, rows, acc[t]);
}

// --------------------------------------------------------------------------------------------------------- many tokens

// A group of 4-bit codes as one of 8-bit codes.
inline void open_nibbles(const uint8_t* group, int8_t* to) {
  for (int i = 0; i < 256; i += 16) {
    const uint8x16_t line = vld1q_u8(group + i);
    vst1q_s8(to + i, vreinterpretq_s8_u8(vandq_u8(line, vdupq_n_u8(15))));
    vst1q_s8(to + 256 + i, vreinterpretq_s8_u8(vshrq_n_u8(line, 4)));
  }
}

template <Format F, int T>
inline void add_block(const int8_t* group, const GroupScales& s, const Activations& x, ptrdiff_t at,
                      float32x4_t (*acc)[kQuarters]) {
  Dots<T> dots;
  multiply_bytes(group, x.codes + at * kGroup, dots);
  add_dots<F>(dots, s, x, at, acc);
}

// One group for all tokens of a tile, in blocks.
template <Format F>
inline void add_blocks(const int8_t* group, const GroupScales& s, const Activations& x, ptrdiff_t at, int tokens,
                       float32x4_t (*acc)[kQuarters]) {
  int t = 0;
  for (; t + kBlockedTokens <= tokens; t += kBlockedTokens) add_block<F, kBlockedTokens>(group, s, x, at + t, acc + t);
  switch (tokens - t) {
    case 1: return add_block<F, 1>(group, s, x, at + t, acc + t);
    case 2: return add_block<F, 2>(group, s, x, at + t, acc + t);
    case 3: return add_block<F, 3>(group, s, x, at + t, acc + t);
    default: return;
  }
}

// One panel for up to kTileTokens: a group is unpacked once, running sums stay in the first-level cache.
template <Format F>
inline void many(const uint8_t* panel, int groups, const Activations& x, int t0, int tokens, float* y, ptrdiff_t stride,
                 int rows) {
  float32x4_t acc[kTileTokens][kQuarters];
  for (int t = 0; t < tokens; ++t)
    for (int v = 0; v < kQuarters; ++v) acc[t][v] = vdupq_n_f32(0.0f);
  for (int g = 0; g < groups; ++g) {
    const uint8_t* group = panel + g * group_bytes<F>();
    const ptrdiff_t at = static_cast<ptrdiff_t>(g) * x.tokens + t0;
    ask_for_group<F>(group);
    const GroupScales s = group_scales<F>(group);
    if constexpr (F == Format::q8_0) {
      add_blocks<F>(reinterpret_cast<const int8_t*>(group), s, x, at, tokens, acc);
    } else {
      int8_t open[16 * kGroup];
      open_nibbles(group, open);
      add_blocks<F>(open, s, x, at, tokens, acc);
    }
  }
  for (int t = 0; t < tokens; ++t) store_rows(y + t * stride, rows, acc[t]);
}

// ---------------------------------------------------------------------------------------------------------------- bf16

// One panel for T tokens in float: even columns of a pair by a shift, odd ones by a mask, a running sum for each.
template <int T>
inline void few_bf16(const uint8_t* panel, int columns, const Activations& x, int t0, float* y, ptrdiff_t stride,
                     int rows) {
  const float* values = x.values + static_cast<ptrdiff_t>(t0) * columns;
  float32x4_t even[T][kQuarters], odd[T][kQuarters];
  SEATRIAL_UNROLL
  for (int t = 0; t < T; ++t)
    SEATRIAL_UNROLL
    for (int v = 0; v < kQuarters; ++v) even[t][v] = odd[t][v] = vdupq_n_f32(0.0f);
  for (int k = 0; k < columns; k += 2) {
    const uint8_t* pair = panel + static_cast<ptrdiff_t>(k) * 32;
    ask_for(pair, kPrefetchBytes);
    float32x4_t left[T], right[T];
    for (int t = 0; t < T; ++t) {
      const float* token = values + static_cast<ptrdiff_t>(t) * columns + k;
      left[t] = vdupq_n_f32(token[0]);
      right[t] = vdupq_n_f32(token[1]);
    }
    for (int v = 0; v < kQuarters; ++v) {
      const uint32x4_t both = vreinterpretq_u32_u8(vld1q_u8(pair + 16 * v));
      const float32x4_t w_even = vreinterpretq_f32_u32(vshlq_n_u32(both, 16));
      const float32x4_t w_odd = vreinterpretq_f32_u32(vandq_u32(both, vdupq_n_u32(0xffff0000u)));
      for (int t = 0; t < T; ++t) {
        even[t][v] = vfmaq_f32(even[t][v], w_even, left[t]);
        odd[t][v] = vfmaq_f32(odd[t][v], w_odd, right[t]);
      }
    }
  }
  SEATRIAL_UNROLL
  for (int t = 0; t < T; ++t) {
    SEATRIAL_UNROLL
    for (int v = 0; v < kQuarters; ++v) even[t][v] = vaddq_f32(even[t][v], odd[t][v]);
    store_rows(y + t * stride, rows, even[t]);
  }
}

// -------------------------------------------------------------------------------------------------------------- matmul

template <Format F>
inline void panel_codes(const Weight& w, int panel, const Activations& x, int t0, int tokens, float* y,
                        ptrdiff_t stride) {
  const uint8_t* data = w.data + static_cast<size_t>(panel) * w.panel_bytes();
  float* out = y + t0 * stride + static_cast<ptrdiff_t>(panel) * kPanelRows;
  const int rows = w.rows - panel * kPanelRows, groups = w.groups();
  switch (tokens) {
    case 1: return few<F, 1>(data, groups, x, t0, out, stride, rows);
    case 2: return few<F, 2>(data, groups, x, t0, out, stride, rows);
    case 3: return few<F, 3>(data, groups, x, t0, out, stride, rows);
    case 4: return few<F, 4>(data, groups, x, t0, out, stride, rows);
    default: return many<F>(data, groups, x, t0, tokens, out, stride, rows);
  }
}

// bf16: three tokens fill the registers (24 running sums).
inline void panel_bf16(const Weight& w, int panel, const Activations& x, int t0, int tokens, float* y,
                       ptrdiff_t stride) {
  const uint8_t* data = w.data + static_cast<size_t>(panel) * w.panel_bytes();
  const int rows = w.rows - panel * kPanelRows;
  for (int t = t0; t < t0 + tokens; t += 3) {
    float* out = y + t * stride + static_cast<ptrdiff_t>(panel) * kPanelRows;
    switch (t0 + tokens - t) {
      case 1: few_bf16<1>(data, w.columns, x, t, out, stride, rows); break;
      case 2: few_bf16<2>(data, w.columns, x, t, out, stride, rows); break;
      default: few_bf16<3>(data, w.columns, x, t, out, stride, rows);
    }
  }
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
