// The AVX2 level: AVX2, FMA and F16C.

#define SEATRIAL_LEVEL avx2

#include "attention_simd.h"
#include "attention_tile_avx2.h"
#include "kernels.h"
#include "linear_avx2.h"
#include "linear_fine_avx2.h"
#include "small_simd.h"

namespace seatrial {
namespace {

constexpr Kernels kTable = {
    "avx2",
    avx2::quantise,
    avx2::matmul,
    avx2::rms_norm,
    avx2::silu_mul,
    avx2::rope,
    avx2::layer_norm,
    avx2::gelu,
    avx2::store_kv,
    avx2::attend_tasks,
    avx2::attend_scratch,
    avx2::attend,
    avx2::attend_shared,
    avx2::is_fine,
    avx2::quantise_fine,
    avx2::matmul_fine,
    avx2::attend_tile_scratch,
    avx2::attend_tile,
};

}  // namespace

const Kernels* avx2_kernels() { return &kTable; }

}  // namespace seatrial
