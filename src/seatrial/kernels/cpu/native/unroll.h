// SEATRIAL_UNROLL before a loop of a few rounds, known when compiling, over an array of vectors.
//
// GCC holds such an array in registers only if every loop over it is unrolled, and gives up on the larger ones: all of
// the array is then also written to memory in each round of the loop around them, one store for each multiply-add.

#pragma once

#if defined(__clang__)
#define SEATRIAL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SEATRIAL_UNROLL _Pragma("GCC unroll 16")
#endif
