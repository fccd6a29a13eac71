// Puts one token's keys and values into a block of the paged cache, as bf16 or as int8 with a scale per head.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels.h"
#include "simd_float.h"

namespace seatrial::SEATRIAL_LEVEL {

// Round to nearest, ties to even; a NaN stays one.
inline uint16_t bf16_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  const uint32_t nan = bits >> 16 | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

// max|x| / 127; 0 where all is next to nothing; NaN where something is not finite: the position then spoils whoever
// sees it, and nobody else.
inline float int8_scale(const float* x, int size) {
  float most = 0.0f;
  bool finite = true;
  for (int i = 0; i < size; ++i) {
    const float magnitude = std::fabs(x[i]);
    finite = finite && magnitude <= 3.4028234e38f;
    most = magnitude > most ? magnitude : most;
  }
  const float scale = most / 127.0f;
  return !finite ? __builtin_nanf("") : scale < 1e-37f ? 0.0f : scale;
}

// round(x / scale), ties to even; 0 where there is no such number.
inline int8_t int8_code(float x, float scale) {
  return scale > 0.0f ? static_cast<int8_t>(std::nearbyint(x / scale)) : int8_t{0};
}

// One head's keys go to every 16th place, so that 16 positions lie side by side.
template <class Element, class Convert>
inline void store_keys(const float* keys, int size, Element* to, const Convert& convert) {
  for (int d = 0; d < size; ++d) to[d * kBlockTokens] = convert(keys[d]);
}

template <class Element, class Convert>
inline void store_values(const float* values, int size, Element* to, const Convert& convert) {
  for (int d = 0; d < size; ++d) to[d] = convert(values[d]);
}

inline void store_kv(const LayerCache& cache, int block, int slot, const float* keys, const float* values) {
  const int size = cache.head_dim;
  for (int head = 0; head < cache.heads; ++head) {
    const size_t at = static_cast<size_t>(block) * static_cast<size_t>(cache.heads) + static_cast<size_t>(head);
    const size_t start = at * static_cast<size_t>(size * kBlockTokens);
    const size_t key_at = start + static_cast<size_t>(slot), value_at = start + static_cast<size_t>(slot * size);
    const float* key = keys + head * size;
    const float* value = values + head * size;
    if (cache.format == CacheFormat::bf16) {
      store_keys(key, size, static_cast<uint16_t*>(cache.keys) + key_at, bf16_bits);
      store_values(value, size, static_cast<uint16_t*>(cache.values) + value_at, bf16_bits);
      continue;
    }
    const float key_scale = int8_scale(key, size), value_scale = int8_scale(value, size);
    cache.key_scales[at * kBlockTokens + static_cast<size_t>(slot)] = key_scale;
    cache.value_scales[at * kBlockTokens + static_cast<size_t>(slot)] = value_scale;
    const auto key_code = [=](float x) { return int8_code(x, key_scale); };
    const auto value_code = [=](float x) { return int8_code(x, value_scale); };
    store_keys(key, size, static_cast<int8_t*>(cache.keys) + key_at, key_code);
    store_values(value, size, static_cast<int8_t*>(cache.values) + value_at, value_code);
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
