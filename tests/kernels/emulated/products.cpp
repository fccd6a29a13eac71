// Quantising and products of the emulated levels as C functions, for the tests to call. LEVEL is avx512, amx or neon.

#define SEATRIAL_LEVEL LEVEL

#if defined(TILES)
#include "linear_amx.h"
#elif defined(__ARM_NEON)
#include "linear_neon.h"
#else
#include "linear_avx512.h"
#endif

using namespace seatrial;

extern "C" void quantise(const float* x, int tokens, int columns, int8_t* codes, float* scales, float* sums) {
  LEVEL::quantise(x, columns, Activations{tokens, columns, codes, scales, sums, x}, 0, tokens);
}

// y [T, stride] of panels [first, last).
extern "C" void matmul(int format, int rows, const uint8_t* weight, int first, int last, const float* x, int tokens,
                       int columns, int8_t* codes, float* scales, float* sums, float* y, int stride) {
  const Weight w{static_cast<Format>(format), rows, columns, weight};
  const Activations inputs{tokens, columns, codes, scales, sums, x};
#if defined(TILES)
  LEVEL::matmul_tiled(w, first, last, inputs, y, stride);
#else
  LEVEL::matmul(w, first, last, inputs, y, stride);
#endif
}
