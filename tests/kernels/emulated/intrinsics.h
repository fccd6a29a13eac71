// AVX-512 and AMX on any x86-64 machine: SIMDe's portable intrinsics, what it lacks, and the eight tiles. Included
// before a level's source, which then includes no intrinsics of its own.

#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// For sources that choose their vectors by the compiler's macros. Not before SIMDe, which would believe it.
#define __AVX512F__ 1

inline __m512 emulated_halves_to_floats(__m256i halves) {
  float to[16];
  uint16_t from[16];
  std::memcpy(from, &halves, sizeof from);
  for (int i = 0; i < 16; ++i) {
    const int exponent = from[i] >> 10 & 31, fraction = from[i] & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                       : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
    to[i] = from[i] >> 15 ? -size : size;
  }
  return _mm512_loadu_ps(to);
}

// One rounding, whatever SIMDe makes of it without the instruction.
inline __m512 emulated_fma(__m512 a, __m512 b, __m512 c) {
  float x[16], y[16], z[16];
  _mm512_storeu_ps(x, a);
  _mm512_storeu_ps(y, b);
  _mm512_storeu_ps(z, c);
  for (int i = 0; i < 16; ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return _mm512_loadu_ps(z);
}

inline void emulated_mask_store(float* to, uint16_t mask, __m512 values) {
  float all[16];
  _mm512_storeu_ps(all, values);
  for (int i = 0; i < 16; ++i) {
    if (mask >> i & 1) to[i] = all[i];
  }
}

inline __m512 emulated_to_floats(__m512i numbers) {
  int32_t from[16];
  float to[16];
  std::memcpy(from, &numbers, sizeof from);
  for (int i = 0; i < 16; ++i) to[i] = static_cast<float>(from[i]);
  return _mm512_loadu_ps(to);
}

inline __m512i emulated_shift_right(__m512i numbers, unsigned by) {
  int32_t each[16];
  std::memcpy(each, &numbers, sizeof each);
  for (int32_t& number : each) number >>= by;
  return simde_mm512_loadu_si512(each);
}

// To the nearest bf16, ties to even; denormal numbers are zeros (Intel's manual, VCVTNE2PS2BF16).
inline uint16_t emulated_bf16(float x) {
  if (std::fpclassify(x) == FP_SUBNORMAL) x = std::copysign(0.0f, x);
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if (std::isnan(x)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline __m512i emulated_two_to_bf16(__m512 high, __m512 low) {
  float from[32];
  uint16_t to[32];
  _mm512_storeu_ps(from, low);
  _mm512_storeu_ps(from + 16, high);
  for (int i = 0; i < 32; ++i) to[i] = emulated_bf16(from[i]);
  return simde_mm512_loadu_si512(to);
}

#undef _mm512_cvtph_ps
#undef _mm512_fmadd_ps
#undef _mm512_mask_storeu_ps
#undef _mm512_cvtepi32_ps
#define _mm512_srai_epi32 emulated_shift_right
#define _mm512_cvtne2ps_pbh emulated_two_to_bf16
#define _mm512_cvtph_ps emulated_halves_to_floats
#define _mm512_fmadd_ps emulated_fma
#define _mm512_mask_storeu_ps emulated_mask_store
#define _mm512_cvtepi32_ps emulated_to_floats
#ifndef __mmask16
#define __mmask16 uint16_t
#endif
#ifndef _mm512_loadu_si512
#define _mm512_loadu_si512 simde_mm512_loadu_si512
#endif

// Tiles, after Intel's Software Developer's Manual, volume 2 (LDTILECFG, TILELOADD, TDPBUSD and its siblings,
// TDPBF16PS, TILESTORED). What the manual makes a fault ends the program.
namespace emulated {

struct Tiles {
  bool configured = false;
  int rows[8] = {}, row_bytes[8] = {};
  uint8_t data[8][16][64] = {};
};
inline thread_local Tiles tiles;

inline void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "tile fault: %s\n", what);
  std::abort();
}

inline void configure(const void* from) {
  uint8_t bytes[64];
  std::memcpy(bytes, from, sizeof bytes);
  expect(bytes[0] == 1, "the palette is not 1");
  for (int i = 1; i < 16; ++i) expect(bytes[i] == 0, "a reserved byte is set");
  tiles = Tiles{};
  for (int i = 0; i < 8; ++i) {
    tiles.row_bytes[i] = bytes[16 + 2 * i] | bytes[17 + 2 * i] << 8;
    tiles.rows[i] = bytes[48 + i];
    expect(tiles.row_bytes[i] <= 64 && tiles.rows[i] <= 16, "a tile is too large");
    expect((tiles.row_bytes[i] == 0) == (tiles.rows[i] == 0), "a tile has rows or bytes alone");
  }
  for (int i = 32; i < 48; ++i) expect(bytes[i] == 0, "a tile past the eighth is configured");
  for (int i = 56; i < 64; ++i) expect(bytes[i] == 0, "a tile past the eighth is configured");
  tiles.configured = true;
}

inline void expect_tile(int tile) { expect(tiles.configured && tiles.rows[tile] > 0, "the tile is not configured"); }

inline void load(int tile, const void* from, int64_t stride) {
  expect_tile(tile);
  std::memset(tiles.data[tile], 0, sizeof tiles.data[tile]);
  for (int row = 0; row < tiles.rows[tile]; ++row) {
    std::memcpy(tiles.data[tile][row], static_cast<const uint8_t*>(from) + row * stride, tiles.row_bytes[tile]);
  }
}

inline void store(int tile, void* to, int64_t stride) {
  expect_tile(tile);
  for (int row = 0; row < tiles.rows[tile]; ++row) {
    std::memcpy(static_cast<uint8_t*>(to) + row * stride, tiles.data[tile][row], tiles.row_bytes[tile]);
  }
}

inline void zero(int tile) {
  expect_tile(tile);
  std::memset(tiles.data[tile], 0, sizeof tiles.data[tile]);
}

// sums[m][n] += the dot product of 4 bytes of a's row m with 4 bytes of b's row k, over all k.
template <typename A, typename B>
inline void multiply(int sums, int a, int b) {
  expect_tile(sums), expect_tile(a), expect_tile(b);
  expect(sums != a && sums != b && a != b, "a tile is used twice");
  expect(tiles.rows[sums] == tiles.rows[a] && tiles.row_bytes[sums] == tiles.row_bytes[b], "shapes differ");
  expect(tiles.row_bytes[a] == 4 * tiles.rows[b], "inner extents differ");
  for (int m = 0; m < tiles.rows[sums]; ++m) {
    for (int n = 0; n < tiles.row_bytes[sums] / 4; ++n) {
      int32_t sum;
      std::memcpy(&sum, &tiles.data[sums][m][4 * n], 4);
      for (int k = 0; k < tiles.row_bytes[a]; ++k) {
        sum += static_cast<A>(tiles.data[a][m][k]) * static_cast<B>(tiles.data[b][k / 4][4 * n + k % 4]);
      }
      std::memcpy(&tiles.data[sums][m][4 * n], &sum, 4);
    }
  }
}

// sums[m][n] += the even, then the odd products of a's row m with b's column n (TDPBF16PS). Denormal numbers are zeros.
inline void multiply_bf16(int sums, int a, int b) {
  expect_tile(sums), expect_tile(a), expect_tile(b);
  expect(sums != a && sums != b && a != b, "a tile is used twice");
  expect(tiles.rows[sums] == tiles.rows[a] && tiles.row_bytes[sums] == tiles.row_bytes[b], "shapes differ");
  expect(tiles.row_bytes[a] == 4 * tiles.rows[b], "inner extents differ");
  const auto number = [](const uint8_t* from) {
    uint16_t half;
    std::memcpy(&half, from, sizeof half);
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return std::fpclassify(x) == FP_SUBNORMAL ? 0.0f : x;
  };
  for (int m = 0; m < tiles.rows[sums]; ++m) {
    for (int n = 0; n < tiles.row_bytes[sums] / 4; ++n) {
      float parts[2] = {}, sum;
      for (int k = 0; k < tiles.rows[b]; ++k) {
        for (int i = 0; i < 2; ++i) {
          parts[i] = std::fma(number(&tiles.data[a][m][4 * k + 2 * i]), number(&tiles.data[b][k][4 * n + 2 * i]), parts[i]);
        }
      }
      std::memcpy(&sum, &tiles.data[sums][m][4 * n], sizeof sum);
      sum += parts[0] + parts[1];
      std::memcpy(&tiles.data[sums][m][4 * n], &sum, sizeof sum);
    }
  }
}

}  // namespace emulated

#define _tile_loadconfig(from) emulated::configure(from)
#define _tile_release() (emulated::tiles = emulated::Tiles{})
#define _tile_loadd(tile, from, stride) emulated::load(tile, from, stride)
#define _tile_stored(tile, to, stride) emulated::store(tile, to, stride)
#define _tile_zero(tile) emulated::zero(tile)
#define _tile_dpbssd(sums, a, b) emulated::multiply<int8_t, int8_t>(sums, a, b)
#define _tile_dpbsud(sums, a, b) emulated::multiply<int8_t, uint8_t>(sums, a, b)
#define _tile_dpbf16ps(sums, a, b) emulated::multiply_bf16(sums, a, b)
