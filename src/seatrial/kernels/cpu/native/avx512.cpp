// The AVX-512 level: F, BW, VL, DQ and VNNI.

#define SEATRIAL_LEVEL avx512

#include "attention_simd.h"
#include "kernels.h"
#include "linear_avx512.h"
#include "small_simd.h"

namespace seatrial {
namespace {

constexpr Kernels kTable = {
    "avx512",
    avx512::quantise,
    avx512::matmul,
    avx512::rms_norm,
    avx512::silu_mul,
    avx512::rope,
    avx512::layer_norm,
    avx512::gelu,
    avx512::store_kv,
    avx512::attend_tasks,
    avx512::attend_scratch,
    avx512::attend,
    avx512::attend_shared,
};

}  // namespace

const Kernels* avx512_kernels() { return &kTable; }

}  // namespace seatrial
