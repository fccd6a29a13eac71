// What the AMX level has for pictures as C functions, for the tests to call.

#define SEATRIAL_LEVEL amx

#include "attention_tile_amx.h"
#include "linear_fine_amx.h"

using namespace seatrial;

// y [T, stride] of panels [first, last), by way of `codes` [columns / 32, T, 32] and `scales` [T].
extern "C" void matmul_fine(int is_bf16, int rows, const uint8_t* weight, int first, int last, const float* x,
                            int tokens, int columns, int16_t* codes, float* scales, float* y, int stride) {
  const FineActivations inputs{tokens, columns, codes, scales};
  for (int t = 0; t < tokens; ++t) amx::round_row(x + t * columns, t, inputs);
  const Format format = is_bf16 != 0 ? Format::bf16 : Format::q8_0;
  amx::matmul_wide({format, rows, columns, weight}, first, last, inputs, y, stride);
}

extern "C" size_t attend_tile_scratch(int tokens, int head) { return amx::attend_tile_scratch(tokens, head); }

// One head: qkv [T, 3, wide] with biases [3, wide], of which the first `head` numbers count; out [T, wide].
extern "C" void attend_tile(int tokens, int head, int wide, const float* qkv, const float* biases, float* out,
                            uint8_t* scratch) {
  amx::attend_tile({tokens, head, 3 * wide, qkv, qkv + wide, qkv + 2 * wide, biases, biases + wide, biases + 2 * wide,
                    out, wide},
                   scratch);
}
