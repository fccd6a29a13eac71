// The products with inputs in bf16, for AMX: those of the picture encoder. In: packed q8_0 or bf16 weights and
// `FineActivations` as `kernels.h` lays them out. Out: rows of y.
//
// Sums of bytes would have to leave their tile after every group, to be scaled (`linear_amx.h`). So 8-bit weights are
// scaled first and rounded to bf16, once for all tokens, and sums stay in their tiles over a span of groups. Inputs and
// weights then keep 8 bits and an exponent each, nearer to float32 than bytes with a scale for 32 of them. A group of
// bf16 weights is a tile as it is packed.
//
// Two panels x 16 groups of weights (32 KB) stay in the first cache while a span of all tokens passes by; of a chunk of
// 1,536 tokens such a span takes 1.5 MB of the second. Between spans, sums wait in y.

#pragma once

#include "tiles_bf16_amx.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kWideGroups = 16;                  // groups of a span, at most
constexpr int kWideBlock = 2 * kBlock;           // tokens of a block: two tiles
constexpr int kWideColumns = 2 * kPanelRows;     // rows of two panels

// The tiles of a span of each of two panels, one after another.
struct WidePanels {
  const uint16_t* tiles[2];
  alignas(64) uint16_t widened[2][kWideGroups * kTileNumbers];
};

// A quad of 16 rows x 4 codes becomes two lines of pairs.
inline void widen_quad(__m512i quad, __m512 scale, uint16_t* to) {
  const auto scaled = [&](int left) {
    const __m512i code = _mm512_srai_epi32(_mm512_sllv_epi32(quad, _mm512_set1_epi32(left)), 24);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(code), scale);
  };
  _mm512_store_si512(to, pair_in_bf16(scaled(24), scaled(16)));
  _mm512_store_si512(to + 32, pair_in_bf16(scaled(8), scaled(0)));
}

inline void widen_span(const uint8_t* from, int groups, uint16_t* to) {
  for (int g = 0; g < groups; ++g, from += group_bytes<Format::q8_0>(), to += kTileNumbers) {
    ask_for_group<Format::q8_0>(from);
    const __m512 scale = load_halves(from + 512);
    for (int quad = 0; quad < kGroup / 4; ++quad) widen_quad(load_line(from, quad), scale, to + 64 * quad);
  }
}

// Groups [g0, g0 + groups) of `count` panels from `panel` on.
inline void open_panels(const Weight& w, int panel, int count, int g0, int groups, WidePanels& to) {
  for (int i = 0; i < count; ++i) {
    const uint8_t* from = w.data + (panel + i) * w.panel_bytes() + g0 * w.group_bytes();
    if (w.format == Format::bf16) {
      to.tiles[i] = reinterpret_cast<const uint16_t*>(from);
    } else {
      widen_span(from, groups, to.widened[i]);
      to.tiles[i] = to.widened[i];
    }
  }
}

// Where a block's inputs lie and its sums go. `begun`: sums of earlier groups are there to be added to.
struct WideBlock {
  const int16_t* codes;   // [groups, .., 32], groups `group_stride` apart
  ptrdiff_t group_stride;
  float* sums;            // [32, 16 N]
  ptrdiff_t stride;       // in floats
  bool begun;
};

// 32 tokens by N panels.
template <int N>
inline void multiply_wide(const WideBlock& block, const WidePanels& w, int groups) {
  float* below = block.sums + kBlock * block.stride;
  const ptrdiff_t stride = block.stride * static_cast<ptrdiff_t>(sizeof(float));
  if (block.begun) {
    _tile_loadd(0, block.sums, stride);
    _tile_loadd(1, below, stride);
    if constexpr (N == 2) _tile_loadd(2, block.sums + kPanelRows, stride);
    if constexpr (N == 2) _tile_loadd(3, below + kPanelRows, stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (N == 2) _tile_zero(2);
    if constexpr (N == 2) _tile_zero(3);
  }
  for (int g = 0; g < groups; ++g) {
    const int16_t* codes = block.codes + g * block.group_stride;
    _tile_loadd(4, codes, 64);
    _tile_loadd(6, w.tiles[0] + g * kTileNumbers, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, codes + kTileNumbers, 64);
    _tile_dpbf16ps(1, 5, 6);
    if constexpr (N == 2) {
      _tile_loadd(7, w.tiles[1] + g * kTileNumbers, 64);
      _tile_dpbf16ps(2, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, block.sums, stride);
  _tile_stored(1, below, stride);
  if constexpr (N == 2) _tile_stored(2, block.sums + kPanelRows, stride);
  if constexpr (N == 2) _tile_stored(3, below + kPanelRows, stride);
}

// A block at an edge of the matrix, `tokens` by `rows`: through copies with zeros behind.
template <int N>
inline void multiply_edge(const WideBlock& block, const WidePanels& w, int groups, int tokens, int rows) {
  alignas(64) int16_t codes[kWideGroups][kWideBlock][kGroup];
  alignas(64) float sums[kWideBlock][kWideColumns] = {};
  std::memset(codes, 0, sizeof codes);
  for (int g = 0; g < groups; ++g) {
    std::memcpy(codes[g], block.codes + g * block.group_stride, sizeof(int16_t) * kGroup * static_cast<size_t>(tokens));
  }
  const size_t there = sizeof(float) * static_cast<size_t>(rows);
  for (int t = 0; t < tokens && block.begun; ++t) std::memcpy(sums[t], block.sums + t * block.stride, there);
  settle_stores();
  multiply_wide<N>({codes[0][0], kWideBlock * kGroup, sums[0], kWideColumns, block.begun}, w, groups);
  settle_stores();
  for (int t = 0; t < tokens; ++t) std::memcpy(block.sums + t * block.stride, sums[t], there);
}

// The sums that the block 32 tokens on will begin with.
inline void ask_for_sums(const WideBlock& block) {
  for (int t = 0; t < kWideBlock; ++t) {
    for (int i = 0; i < kWideColumns; i += 16) {
      ask_for(block.sums + t * block.stride + i, kWideBlock * block.stride * static_cast<ptrdiff_t>(sizeof(float)));
    }
  }
}

template <int N>
inline void pass_span(const WidePanels& w, int g0, int groups, const FineActivations& x, float* y, ptrdiff_t stride,
                      int rows) {
  const ptrdiff_t group_stride = static_cast<ptrdiff_t>(x.tokens) * kGroup;
  for (int t0 = 0; t0 < x.tokens; t0 += kWideBlock) {
    const int tokens = x.tokens - t0 < kWideBlock ? x.tokens - t0 : kWideBlock;
    const int16_t* codes = x.codes + g0 * group_stride + static_cast<ptrdiff_t>(t0) * kGroup;
    const WideBlock block{codes, group_stride, y + t0 * stride, stride, g0 > 0};
    if (block.begun) ask_for_sums(block);
    if (tokens == kWideBlock && rows == N * kPanelRows) {
      multiply_wide<N>(block, w, groups);
    } else {
      multiply_edge<N>(block, w, groups, tokens, rows);
    }
  }
}

inline void matmul_wide(const Weight& w, int first, int last, const FineActivations& x, float* y, ptrdiff_t stride) {
  WidePanels panels;
  _tile_loadconfig(&kWideTiles);
  const int spans = (w.groups() + kWideGroups - 1) / kWideGroups;
  for (int span = 0; span < spans; ++span) {
    const int g0 = w.groups() * span / spans, groups = w.groups() * (span + 1) / spans - g0;
    for (int panel = first; panel < last; panel += 2) {
      const int count = last - panel < 2 ? 1 : 2;
      open_panels(w, panel, count, g0, groups, panels);
      settle_stores();
      const int left = w.rows - panel * kPanelRows, rows = left < count * kPanelRows ? left : count * kPanelRows;
      float* out = y + static_cast<ptrdiff_t>(panel) * kPanelRows;
      if (count == 2) pass_span<2>(panels, g0, groups, x, out, stride, rows);
      if (count == 1) pass_span<1>(panels, g0, groups, x, out, stride, rows);
    }
  }
  _tile_release();
}

inline bool is_wide(Format format) { return format == Format::q8_0 || format == Format::bf16; }

// A row to bf16. Its scale is 1: bf16 brings its own exponents.
inline void round_row(const float* x, int token, const FineActivations& to) {
  to.scales[token] = 1;
  for (int k = 0; k < to.columns; k += kGroup) {
    int16_t* codes = to.codes + (static_cast<ptrdiff_t>(k / kGroup) * to.tokens + token) * kGroup;
    _mm512_storeu_si512(codes, round_to_bf16(_mm512_loadu_ps(x + k), _mm512_loadu_ps(x + k + 16)));
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
