// The AMX level: tiles of 8-bit integers where there are many tokens, AVX-512 otherwise.

#define SEATRIAL_LEVEL amx

#include "attention_simd.h"
#include "kernels.h"
#include "linear_amx.h"
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
};

}  // namespace

const Kernels* amx_kernels() { return &kTable; }

}  // namespace seatrial
