// The products for AMX: 8-bit tiles for 16 tokens and more, the AVX-512 path for fewer and for bf16. In: packed weights
// and activations as `kernels.h` lays them out. Out: rows of y.
//
// A tile product multiplies the codes of 16 tokens [16, 32] by a group of a panel, whose 8 quads of 16 rows x 4 columns
// are just the layout that the right-hand tile wants, to 16 x 16 exact integers. Scales belong to a group, so the
// integers come out after every group and go through the same float operations as on the other levels: bits agree
// between levels, and between a token alone and in any batch. (Tiles of bf16 would need no scaling in between and reach
// twice the rate, but a single token would then have to go through them too.)
//
// Reference: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and volume 2
// (TDPBSUD).

#pragma once

#include "linear_avx512.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kBlock = 16;       // tokens of a tile
constexpr int kSpanGroups = 32;  // groups of a panel that are unpacked ahead (16 KB of tiles)

// Tiles 0 and 3 hold tokens (16 rows of 32 bytes), 1 and 4 weights (8 rows of 64 bytes), 2 and 5 sums (16 rows of 64).
// The configuration is a constant: GCC 12 declares that `ldtilecfg` reads 8 bytes, and drops the stores that fill the
// rest of a configuration made at run time.
struct alignas(64) TileConfiguration {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {32, 64, 64, 32, 64, 64};
  uint8_t rows[16] = {16, 8, 16, 16, 8, 16};
};
static_assert(sizeof(TileConfiguration) == 64, "what ldtilecfg reads");
constexpr TileConfiguration kTiles{};

// Some compilers believe that tile loads read no memory: what was stored before has to be there.
inline void settle_stores() { asm volatile("" ::: "memory"); }

// Part of a panel as tiles, with its scales as floats.
struct Span {
  alignas(64) uint8_t tiles[kSpanGroups][512];
  __m512 scale[kSpanGroups];
  __m512 minimum[kSpanGroups];  // q4_1 only
};

// 8-bit codes stay signed here; 4-bit ones are unsigned.
template <Format F>
inline void open_span(const uint8_t* from, int groups, Span& to) {
  for (int g = 0; g < groups; ++g, from += group_bytes<F>()) {
    ask_for_group<F>(from);
    if (F == Format::q8_0) {
      std::memcpy(to.tiles[g], from, 512);
      to.scale[g] = load_halves(from + 512);
      continue;
    }
    const Group group = open_group<F>(from);
    for (int q = 0; q < 8; ++q) _mm512_store_si512(to.tiles[g] + 64 * q, group.quads[q]);
    to.scale[g] = group.scale;
    to.minimum[g] = group.minimum;
  }
}

// The integers of 16 tokens and one group. Two sets of tiles take turns, so that a group's product runs while the
// integers of the one before are scaled.
template <Format F, int Set>
inline void multiply_tiles(const int8_t* codes, const uint8_t* weights, int32_t (*to)[16]) {
  if constexpr (Set == 0) {
    _tile_zero(2);
    _tile_loadd(0, codes, kGroup);
    _tile_loadd(1, weights, 64);
    if constexpr (F == Format::q8_0) _tile_dpbssd(2, 0, 1);
    if constexpr (F != Format::q8_0) _tile_dpbsud(2, 0, 1);
    _tile_stored(2, to, 64);
  } else {
    _tile_zero(5);
    _tile_loadd(3, codes, kGroup);
    _tile_loadd(4, weights, 64);
    if constexpr (F == Format::q8_0) _tile_dpbssd(5, 3, 4);
    if constexpr (F != Format::q8_0) _tile_dpbsud(5, 3, 4);
    _tile_stored(5, to, 64);
  }
}

template <Format F>
inline void add_block(const Span& span, int g, const int32_t (*dots)[16], const Activations& x, ptrdiff_t at,
                      __m512 (&acc)[kBlock]) {
  const __m512 scale = span.scale[g], minimum = F == Format::q4_1 ? span.minimum[g] : _mm512_setzero_ps();
  alignas(64) float offsets[kBlock];
  const float* totals = x.sums + at;
  if (F == Format::q4_0) {
    _mm512_store_ps(offsets, _mm512_mul_ps(_mm512_loadu_ps(totals), _mm512_set1_ps(-8.0f)));
    totals = offsets;
    settle_stores();  // read back one by one: taken from the register they would crowd the ports of the products
  }
#pragma GCC unroll 16
  for (int t = 0; t < kBlock; ++t) {
    const __m512i dot = _mm512_load_si512(dots[t]);
    acc[t] = add_group<F>(acc[t], dot, scale, minimum, x.scales[at + t], _mm512_set1_ps(totals[t]));
  }
}

// A span of groups, from group g0 of the panel on, for 16 tokens from t0; `sums` are their running sums.
template <Format F>
inline void pass_block(const Span& span, int g0, int groups, const Activations& x, int t0, __m512* sums) {
  alignas(64) int32_t dots[2][kBlock][16];
  __m512 acc[kBlock];
#pragma GCC unroll 16
  for (int t = 0; t < kBlock; ++t) acc[t] = sums[t];
  const ptrdiff_t tokens = x.tokens, start = g0 * tokens + t0;
  multiply_tiles<F, 0>(x.codes + start * kGroup, span.tiles[0], dots[0]);
  for (int g = 0; g < groups; g += 2) {
    const ptrdiff_t at = start + g * tokens;
    if (g + 1 < groups) multiply_tiles<F, 1>(x.codes + (at + tokens) * kGroup, span.tiles[g + 1], dots[1]);
    add_block<F>(span, g, dots[0], x, at, acc);
    if (g + 2 < groups) multiply_tiles<F, 0>(x.codes + (at + 2 * tokens) * kGroup, span.tiles[g + 2], dots[0]);
    if (g + 1 < groups) add_block<F>(span, g + 1, dots[1], x, at + tokens, acc);
  }
#pragma GCC unroll 16
  for (int t = 0; t < kBlock; ++t) sums[t] = acc[t];
}

// The first token of block b of `tokens` tokens. The last block ends with the last token and may repeat some of the
// one before: 40 tokens give blocks from 0, 16 and 24.
inline int block_start(int b, int tokens) { return (b + 1) * kBlock <= tokens ? b * kBlock : tokens - kBlock; }

// A panel for `tokens` tokens from t0, 16 <= tokens <= kTileTokens.
template <Format F>
inline void pass_tiles(const Weight& w, int panel, const Activations& x, int t0, int tokens, float* y,
                       ptrdiff_t stride) {
  const uint8_t* data = w.data + panel * w.panel_bytes();
  const int blocks = (tokens + kBlock - 1) / kBlock;
  Span span;
  __m512 sums[kTileTokens];
  for (int t = 0; t < blocks * kBlock; ++t) sums[t] = _mm512_setzero_ps();
  for (int g0 = 0; g0 < w.groups(); g0 += kSpanGroups) {
    const int groups = w.groups() - g0 < kSpanGroups ? w.groups() - g0 : kSpanGroups;
    open_span<F>(data + g0 * group_bytes<F>(), groups, span);
    settle_stores();
    for (int b = 0; b < blocks; ++b) {
      pass_block<F>(span, g0, groups, x, t0 + block_start(b, tokens), sums + b * kBlock);
    }
  }
  float* out = y + static_cast<ptrdiff_t>(panel) * kPanelRows;
  for (int i = 0; i < blocks * kBlock; ++i) {
    const int t = t0 + block_start(i / kBlock, tokens) + i % kBlock;
    store_rows(out + t * stride, w.rows - panel * kPanelRows, sums[i]);
  }
}

template <Format F>
inline void matmul_codes(const Weight& w, int first, int last, const Activations& x, float* y, ptrdiff_t stride) {
  _tile_loadconfig(&kTiles);
  for (int i = 0; i < num_shares(x.tokens); ++i) {
    const auto [t0, tokens] = share_of(x.tokens, i);
    for (int panel = first; panel < last; ++panel) pass_tiles<F>(w, panel, x, t0, tokens, y, stride);
  }
  _tile_release();
}

// A batch of more than 64 tokens goes in shares of 32 and more, so every share fills a tile.
inline void matmul_tiled(const Weight& w, int first, int last, const Activations& x, float* y, ptrdiff_t stride) {
  if (x.tokens < kBlock) return matmul(w, first, last, x, y, stride);
  switch (w.format) {
    case Format::q4_0: return matmul_codes<Format::q4_0>(w, first, last, x, y, stride);
    case Format::q4_1: return matmul_codes<Format::q4_1>(w, first, last, x, y, stride);
    case Format::q8_0: return matmul_codes<Format::q8_0>(w, first, last, x, y, stride);
    default: return matmul(w, first, last, x, y, stride);
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
