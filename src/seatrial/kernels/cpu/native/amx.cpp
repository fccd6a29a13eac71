// The AMX level: tiles of 8-bit integers where there are many tokens, of bf16 for pictures, AVX-512 otherwise.

#define SEATRIAL_LEVEL amx

#include "attention_simd.h"
#include "attention_tile_amx.h"
#include "kernels.h"
#include "linear_amx.h"
#include "linear_fine_amx.h"
#include "small_simd.h"

namespace seatrial {
namespace {

constexpr Kernels kTable = {
    "amx",
    amx::quantise,
    amx::matmul_tiled,
    amx::rms_norm,
    amx::silu_mul,
    amx::rope,
    amx::layer_norm,
    amx::gelu,
    amx::store_kv,
    amx::attend_tasks,
    amx::attend_scratch,
    amx::attend,
    amx::attend_shared,
    amx::is_wide,
    amx::round_row,
    amx::matmul_wide,
    amx::attend_tile_scratch,
    amx::attend_tile,
};

}  // namespace

const Kernels* amx_kernels() { return &kTable; }

}  // namespace seatrial
