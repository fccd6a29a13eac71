// The products for AVX2 with FMA and F16C. In: packed weights and activations as `kernels.h` lays them out. Out: rows
// of y.
//
// 4-bit codes are multiplied by `vpmaddubsw`: 32 unsigned weight codes by 32 signed activation codes give 16 sums of
// two products. Eight of those (a group of 32 columns for 8 rows) are added in 16 bits: 8 * 2 * 15 * 127 = 30,480 fits.
// So a group costs 8 products, 7 additions and 5 further operations for 256 multiply-adds, where floats would take 32
// FMAs.
//
// A row of y for one token is, on every path in here, with g rising and dot[g] an exact integer:
//   q4_0  y = fma(w_scale[g], fma(x_scale[g], dot[g], -8 * x_sum[g]), y)
//   q4_1  y = fma(w_minimum[g], x_sum[g], fma(w_scale[g], x_scale[g] * dot[g], y))
//   q8_0  y = fma(w_scale[g], x_scale[g] * dot[g], y)
// (bf16: two running sums, even and odd columns, added at the end), so a token has the same bits alone and in any
// batch.

#pragma once

#if !defined(SEATRIAL_EMULATED)  // else the intrinsics were declared before
#include <immintrin.h>
#endif

#include <cstring>

#include "kernels.h"
#include "panel_walk.h"
#include "quantise_avx2.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kNearGroups = 128;      // so many groups of a tile's codes (256 KB) stay in L2

// ------------------------------------------------------------------------------------------------- scales of a group

struct GroupScales {
  __m256 scale[2];    // rows 0..7 and 8..15 of the panel
  __m256 minimum[2];  // q4_1 only
};

inline __m256 load_halves(const uint8_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

template <Format F>
inline GroupScales group_scales(const uint8_t* group) {
  const uint8_t* scales = group + (F == Format::q8_0 ? 512 : 256);
  GroupScales s;
  for (int h = 0; h < 2; ++h) {
    s.scale[h] = load_halves(scales + 16 * h);
    s.minimum[h] = F == Format::q4_1 ? load_halves(scales + 32 + 16 * h) : _mm256_setzero_ps();
  }
  return s;
}

// A token's scale and sum in one group, in every lane; for q4_0 the sum times -8, the offset of its codes.
struct TokenScales {
  __m256 scale;
  __m256 total;
};

template <Format F>
inline TokenScales token_scales(const Activations& x, ptrdiff_t at) {
  const __m256 total = _mm256_set1_ps(x.sums[at]);
  return {_mm256_set1_ps(x.scales[at]), F == Format::q4_0 ? _mm256_mul_ps(total, _mm256_set1_ps(-8.0f)) : total};
}

// The running sums of half h after one group: the arithmetic that every path shares.
template <Format F>
inline __m256 add_group(__m256 acc, __m256i dot, const GroupScales& s, int h, const TokenScales& x) {
  const __m256 value = _mm256_cvtepi32_ps(dot);
  if (F == Format::q4_0) return _mm256_fmadd_ps(s.scale[h], _mm256_fmadd_ps(x.scale, value, x.total), acc);
  const __m256 scaled = _mm256_fmadd_ps(s.scale[h], _mm256_mul_ps(x.scale, value), acc);
  return F == Format::q4_1 ? _mm256_fmadd_ps(s.minimum[h], x.total, scaled) : scaled;
}

inline __m256i load_line(const uint8_t* group, int line, int half) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(group + 64 * line + 32 * half));
}

// Four codes of one token beside themselves, once for each of 8 rows.
inline __m256i spread(const int8_t* codes) {
  int32_t four;
  std::memcpy(&four, codes, 4);
  return _mm256_set1_epi32(four);
}

// Sums of pairs to sums of quads: 16 lanes of 16 bits to 8 of 32.
inline __m256i widen(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

// Write 16 rows of one token, or as many as the matrix has.
inline void store_rows(float* y, int rows, __m256 low, __m256 high) {
  if (rows >= kPanelRows) {
    _mm256_storeu_ps(y, low);
    _mm256_storeu_ps(y + 8, high);
    return;
  }
  alignas(32) float all[kPanelRows];
  _mm256_store_ps(all, low);
  _mm256_store_ps(all + 8, high);
  std::memcpy(y, all, sizeof(float) * rows);
}

// ------------------------------------------------------------------------------------------------- 4 bits, few tokens

// One panel for T tokens from t0: everything in registers, the weights read once.
template <Format F, int T>
inline void few_4bit(const uint8_t* panel, int groups, const Activations& x, int t0, float* y, ptrdiff_t stride,
                     int rows) {
  constexpr ptrdiff_t kBytes = group_bytes<F>();
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  __m256 acc[T][2];
  for (int t = 0; t < T; ++t) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
  for (int g = 0; g < groups; ++g) {
    const uint8_t* group = panel + g * kBytes;
    const ptrdiff_t at = static_cast<ptrdiff_t>(g) * x.tokens + t0;
    const int8_t* codes = x.codes + at * kGroup;
    ask_for_group<F>(group);
    __m256i sum[T][2];
    for (int t = 0; t < T; ++t) sum[t][0] = sum[t][1] = _mm256_setzero_si256();
    for (int i = 0; i < 4; ++i) {
      for (int h = 0; h < 2; ++h) {
        const __m256i line = load_line(group, i, h);
        const __m256i low = _mm256_and_si256(line, nibble);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(line, 4), nibble);
        for (int t = 0; t < T; ++t) {
          const __m256i a = _mm256_maddubs_epi16(low, spread(codes + kGroup * t + 4 * i));
          const __m256i b = _mm256_maddubs_epi16(high, spread(codes + kGroup * t + 4 * i + 16));
          sum[t][h] = _mm256_add_epi16(sum[t][h], _mm256_add_epi16(a, b));
        }
      }
    }
    const GroupScales s = group_scales<F>(group);
    for (int t = 0; t < T; ++t) {
      const TokenScales token = token_scales<F>(x, at + t);
      for (int h = 0; h < 2; ++h) acc[t][h] = add_group<F>(acc[t][h], widen(sum[t][h]), s, h, token);
    }
  }
  for (int t = 0; t < T; ++t) store_rows(y + t * stride, rows, acc[t][0], acc[t][1]);
}

// ------------------------------------------------------------------------------------------------- 8 bits, few tokens

// One panel for T tokens. |w| is the unsigned factor and the token's codes take the sign of w: two products of at most
// 128 * 127 fit into 16 bits, four do not, so every quad is widened at once.
template <int T>
inline void few_8bit(const uint8_t* panel, int groups, const Activations& x, int t0, float* y, ptrdiff_t stride,
                     int rows) {
  constexpr ptrdiff_t kBytes = group_bytes<Format::q8_0>();
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 acc[T][2];
  for (int t = 0; t < T; ++t) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
  for (int g = 0; g < groups; ++g) {
    const uint8_t* group = panel + g * kBytes;
    const ptrdiff_t at = static_cast<ptrdiff_t>(g) * x.tokens + t0;
    const int8_t* codes = x.codes + at * kGroup;
    ask_for_group<Format::q8_0>(group);
    const GroupScales s = group_scales<Format::q8_0>(group);
    for (int h = 0; h < 2; ++h) {
      __m256i sum[T];
      for (int t = 0; t < T; ++t) sum[t] = _mm256_setzero_si256();
      for (int i = 0; i < 8; ++i) {
        const __m256i w = load_line(group, i, h);
        const __m256i size = _mm256_abs_epi8(w);
        for (int t = 0; t < T; ++t) {
          const __m256i four = _mm256_sign_epi8(spread(codes + kGroup * t + 4 * i), w);
          sum[t] = _mm256_add_epi32(sum[t], _mm256_madd_epi16(_mm256_maddubs_epi16(size, four), ones));
        }
      }
      for (int t = 0; t < T; ++t) {
        acc[t][h] = add_group<Format::q8_0>(acc[t][h], sum[t], s, h, token_scales<Format::q8_0>(x, at + t));
      }
    }
  }
  for (int t = 0; t < T; ++t) store_rows(y + t * stride, rows, acc[t][0], acc[t][1]);
}

// ------------------------------------------------------------------------------------------------------- many tokens

// What a tile of tokens keeps in L1 while a panel goes by.
struct Tile {
  __m256i part[kTileTokens][2];   // 16-bit sums over one group, of 4-bit codes or of the low halves of 8-bit ones
  __m256i upper[kTileTokens][2];  // of the upper halves
  __m256 acc[kTileTokens][2];
};

// Four quads of nibbles for all tokens of the tile: of four lines, shifted down, with some bits flipped. The weights
// stay in 8 registers, each broadcast serves 16 rows. Short loops (quads 0..3, quads 4..7, scaling) run a fifth faster
// than one long one on Zen 3: there the chain from a load to the last FMA fills the floating-point scheduler.
template <int Shift, int Flip, bool First>
inline void add_quads(const uint8_t* lines, const int8_t* codes, int tokens, __m256i (*part)[2]) {
  __m256i w[4][2];
  for (int i = 0; i < 4; ++i) {
    for (int h = 0; h < 2; ++h) {
      const __m256i nibbles = _mm256_and_si256(_mm256_srli_epi16(load_line(lines, i, h), Shift), _mm256_set1_epi8(15));
      w[i][h] = _mm256_xor_si256(nibbles, _mm256_set1_epi8(Flip));
    }
  }
  for (int t = 0; t < tokens; ++t) {
    __m256i low = First ? _mm256_setzero_si256() : part[t][0];
    __m256i high = First ? _mm256_setzero_si256() : part[t][1];
    for (int i = 0; i < 4; ++i) {
      const __m256i four = spread(codes + kGroup * t + 4 * i);
      low = _mm256_add_epi16(low, _mm256_maddubs_epi16(w[i][0], four));
      high = _mm256_add_epi16(high, _mm256_maddubs_epi16(w[i][1], four));
    }
    part[t][0] = low;
    part[t][1] = high;
  }
}

template <Format F>
inline void add_4bit_group(const uint8_t* group, const Activations& x, ptrdiff_t at, int tokens, Tile& tile) {
  const int8_t* codes = x.codes + at * kGroup;
  add_quads<0, 0, true>(group, codes, tokens, tile.part);
  add_quads<4, 0, false>(group, codes + 16, tokens, tile.part);
  const GroupScales s = group_scales<F>(group);
  for (int t = 0; t < tokens; ++t) {
    const TokenScales token = token_scales<F>(x, at + t);
    for (int h = 0; h < 2; ++h) tile.acc[t][h] = add_group<F>(tile.acc[t][h], widen(tile.part[t][h]), s, h, token);
  }
}

// 128 times the sum of a group's codes, for every token of the tile. The quotient is off by two roundings at most, so
// that the nearest whole number is the sum (below 4,064). A scale of 0 or NaN gives a number that does not matter.
inline void offsets(const Activations& x, ptrdiff_t at, int tokens, int32_t* to) {
  int t = 0;
  for (; t + 8 <= tokens; t += 8) {
    const __m256 sums = _mm256_div_ps(_mm256_loadu_ps(x.sums + at + t), _mm256_loadu_ps(x.scales + at + t));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + t), _mm256_slli_epi32(_mm256_cvtps_epi32(sums), 7));
  }
  for (; t < tokens; ++t) {
    const __m128 sum = _mm_div_ss(_mm_load_ss(x.sums + at + t), _mm_load_ss(x.scales + at + t));
    to[t] = _mm_cvtsi128_si32(_mm_slli_epi32(_mm_cvtps_epi32(sum), 7));
  }
}

// An 8-bit code is 16 * u + l - 128 with u and l of 4 unsigned bits (u: its upper half, top bit flipped), so that two
// passes of 4-bit products replace a sign change, a product and a widening for every quad.
inline void add_8bit_group(const uint8_t* group, const Activations& x, ptrdiff_t at, int tokens, Tile& tile) {
  const int8_t* codes = x.codes + at * kGroup;
  add_quads<0, 0, true>(group, codes, tokens, tile.part);
  add_quads<0, 0, false>(group + 256, codes + 16, tokens, tile.part);
  add_quads<4, 8, true>(group, codes, tokens, tile.upper);
  add_quads<4, 8, false>(group + 256, codes + 16, tokens, tile.upper);
  alignas(32) int32_t offset[kTileTokens];
  offsets(x, at, tokens, offset);
  const GroupScales s = group_scales<Format::q8_0>(group);
  const __m256i sixteen = _mm256_set1_epi16(16);
  for (int t = 0; t < tokens; ++t) {
    const TokenScales token = token_scales<Format::q8_0>(x, at + t);
    const __m256i minus = _mm256_set1_epi32(offset[t]);
    for (int h = 0; h < 2; ++h) {
      const __m256i dot = _mm256_add_epi32(widen(tile.part[t][h]), _mm256_madd_epi16(tile.upper[t][h], sixteen));
      tile.acc[t][h] = add_group<Format::q8_0>(tile.acc[t][h], _mm256_sub_epi32(dot, minus), s, h, token);
    }
  }
}

// The codes of the next group, for a tile of a larger batch and long rows. They lie T * 32 bytes on, often a power of
// two: few of L2's sets hold them, and the machine's own prefetching ends with the page. Elsewhere it costs more than
// it gains.
inline void prefetch_codes(const Activations& x, ptrdiff_t at, int tokens) {
  const int8_t* codes = x.codes + at * kGroup;
  for (int t = 0; t < tokens; t += 2) ask_for(codes, (static_cast<ptrdiff_t>(x.tokens) + t) * kGroup);
}

template <Format F>
inline void many(const uint8_t* panel, int groups, const Activations& x, int t0, int tokens, float* y, ptrdiff_t stride,
                 int rows) {
  const bool scattered = tokens < x.tokens && groups > kNearGroups;
  Tile tile;
  for (int t = 0; t < tokens; ++t) tile.acc[t][0] = tile.acc[t][1] = _mm256_setzero_ps();
  for (int g = 0; g < groups; ++g) {
    const uint8_t* group = panel + g * group_bytes<F>();
    const ptrdiff_t at = static_cast<ptrdiff_t>(g) * x.tokens + t0;
    ask_for_group<F>(group);
    if (scattered) prefetch_codes(x, at, tokens);
    if constexpr (F == Format::q8_0) {
      add_8bit_group(group, x, at, tokens, tile);
    } else {
      add_4bit_group<F>(group, x, at, tokens, tile);
    }
  }
  for (int t = 0; t < tokens; ++t) store_rows(y + t * stride, rows, tile.acc[t][0], tile.acc[t][1]);
}

// --------------------------------------------------------------------------------------------------------------- bf16

// One panel for T tokens in float: even columns of a pair by a shift, odd ones by a mask, a running sum for each.
template <int T>
inline void few_bf16(const uint8_t* panel, int columns, const Activations& x, int t0, float* y, ptrdiff_t stride,
                     int rows) {
  const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  const float* values = x.values + static_cast<ptrdiff_t>(t0) * columns;
  __m256 even[T][2], odd[T][2];
  for (int t = 0; t < T; ++t) even[t][0] = even[t][1] = odd[t][0] = odd[t][1] = _mm256_setzero_ps();
  for (int k = 0; k < columns; k += 2) {
    const uint8_t* pair = panel + static_cast<ptrdiff_t>(k) * 32;
    ask_for(pair, kPrefetchBytes);
    const __m256i low = load_line(pair, 0, 0), high = load_line(pair, 0, 1);
    const float* token = values + k;
    const __m256 even_low = _mm256_castsi256_ps(_mm256_slli_epi32(low, 16));
    const __m256 even_high = _mm256_castsi256_ps(_mm256_slli_epi32(high, 16));
    for (int t = 0; t < T; ++t) {
      const __m256 value = _mm256_set1_ps(token[static_cast<ptrdiff_t>(t) * columns]);
      even[t][0] = _mm256_fmadd_ps(even_low, value, even[t][0]);
      even[t][1] = _mm256_fmadd_ps(even_high, value, even[t][1]);
    }
    const __m256 odd_low = _mm256_castsi256_ps(_mm256_and_si256(low, upper));
    const __m256 odd_high = _mm256_castsi256_ps(_mm256_and_si256(high, upper));
    for (int t = 0; t < T; ++t) {
      const __m256 value = _mm256_set1_ps(token[static_cast<ptrdiff_t>(t) * columns + 1]);
      odd[t][0] = _mm256_fmadd_ps(odd_low, value, odd[t][0]);
      odd[t][1] = _mm256_fmadd_ps(odd_high, value, odd[t][1]);
    }
  }
  for (int t = 0; t < T; ++t) {
    store_rows(y + t * stride, rows, _mm256_add_ps(even[t][0], odd[t][0]), _mm256_add_ps(even[t][1], odd[t][1]));
  }
}

// ------------------------------------------------------------------------------------------------------------- matmul

template <Format F>
inline void panel_4bit(const Weight& w, int panel, const Activations& x, int t0, int tokens, float* y,
                       ptrdiff_t stride) {
  const uint8_t* data = w.data + panel * w.panel_bytes();
  float* out = y + t0 * stride + static_cast<ptrdiff_t>(panel) * kPanelRows;
  const int rows = w.rows - panel * kPanelRows;
  switch (tokens) {
    case 1: return few_4bit<F, 1>(data, w.groups(), x, t0, out, stride, rows);
    case 2: return few_4bit<F, 2>(data, w.groups(), x, t0, out, stride, rows);
    default: return many<F>(data, w.groups(), x, t0, tokens, out, stride, rows);
  }
}

inline void panel_8bit(const Weight& w, int panel, const Activations& x, int t0, int tokens, float* y,
                       ptrdiff_t stride) {
  const uint8_t* data = w.data + panel * w.panel_bytes();
  float* out = y + t0 * stride + static_cast<ptrdiff_t>(panel) * kPanelRows;
  const int rows = w.rows - panel * kPanelRows;
  switch (tokens) {
    case 1: return few_8bit<1>(data, w.groups(), x, t0, out, stride, rows);
    case 2: return few_8bit<2>(data, w.groups(), x, t0, out, stride, rows);
    case 3: return few_8bit<3>(data, w.groups(), x, t0, out, stride, rows);
    case 4: return few_8bit<4>(data, w.groups(), x, t0, out, stride, rows);
    default: return many<Format::q8_0>(data, w.groups(), x, t0, tokens, out, stride, rows);
  }
}

// bf16: three tokens fill the registers (12 running sums).
inline void panel_bf16(const Weight& w, int panel, const Activations& x, int t0, int tokens, float* y,
                       ptrdiff_t stride) {
  const uint8_t* data = w.data + panel * w.panel_bytes();
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
        case Format::q4_0: panel_4bit<Format::q4_0>(w, panel, x, t0, tokens, y, stride); break;
        case Format::q4_1: panel_4bit<Format::q4_1>(w, panel, x, t0, tokens, y, stride); break;
        case Format::q8_0: panel_8bit(w, panel, x, t0, tokens, y, stride); break;
        default: panel_bf16(w, panel, x, t0, tokens, y, stride);
      }
    }
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
