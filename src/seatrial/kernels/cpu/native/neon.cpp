// The NEON level: Armv8.2 with dot products of 8-bit numbers.

#define SEATRIAL_LEVEL neon

#include "attention_simd.h"
#include "kernels.h"
#include "linear_neon.h"
#include "small_simd.h"

namespace seatrial {
namespace {

constexpr Kernels kTable = {
    "neon",
    neon::quantise,
    neon::matmul,
    neon::rms_norm,
    neon::silu_mul,
    neon::rope,
    neon::layer_norm,
    neon::gelu,
    neon::store_kv,
    neon::attend_tasks,
    neon::attend_scratch,
    neon::attend,
    neon::attend_shared,
};

}  // namespace

const Kernels* neon_kernels() { return &kTable; }

}  // namespace seatrial
