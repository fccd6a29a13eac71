// Products of bf16 for AMX: what the matrices and the attention of pictures have in common there.
//
// A tile on the left holds 16 tokens x 32 numbers, one on the right 32 numbers x 16 columns: a pair of numbers of each
// column in a dword, 16 pairs below one another. `tdpbf16ps` multiplies them into 16 x 16 floats, which stay in a tile
// as long as numbers follow. A token's sums depend on the token alone.
//
// Reference: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2 (TDPBF16PS).

#pragma once

#include "linear_amx.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kTileNumbers = 512;  // bf16 numbers of a tile: 16 x 32
constexpr int kTileDepth = 32;     // numbers of a token in a tile

// All tiles have 16 rows of 64 bytes.
constexpr TileConfiguration kWideTiles{
    1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// 16 numbers and 16 others, each to the nearest bf16: first those of `low`.
inline __m512i round_to_bf16(__m512 low, __m512 high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

// The same, with numbers of `even` and `odd` in turn.
inline __m512i pair_in_bf16(__m512 even, __m512 odd) {
  const __m512i turns = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,  //
                                         23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(turns, round_to_bf16(even, odd));
}

}  // namespace seatrial::SEATRIAL_LEVEL
