// Half and bfloat16 to float and back, rounding to nearest even, without instructions that not every machine has.

#pragma once

#include <cstdint>
#include <cstring>

namespace seatrial {

inline float float_from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float from_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t magnitude = half & 0x7fff;
  if (magnitude < 0x400) {  // zero and subnormal: steps of 2^-24
    return float_from_bits(sign | bits_of(static_cast<float>(magnitude) * 0x1p-24f));
  }
  const uint32_t exponent_shift = magnitude >= 0x7c00 ? 0x70000000 : 0x38000000;
  return float_from_bits(sign | ((magnitude << 13) + exponent_shift));
}

inline uint16_t to_half(float value) {
  const uint32_t all = bits_of(value);
  const uint32_t sign = (all >> 16) & 0x8000;
  const uint32_t bits = all & 0x7fffffff;
  if (bits > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);   // NaN
  if (bits >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);  // 65536 and above
  if (bits < 0x38800000) {  // below 2^-14: at 0.5 a float's steps are 2^-24, as a subnormal half's
    return static_cast<uint16_t>(sign | (bits_of(float_from_bits(bits) + 0.5f) - 0x3f000000));
  }
  const uint32_t odd = (bits >> 13) & 1;
  return static_cast<uint16_t>(sign | ((bits + 0xfff + odd - 0x38000000) >> 13));
}

inline float from_bfloat(uint16_t bfloat) { return float_from_bits(static_cast<uint32_t>(bfloat) << 16); }

inline uint16_t to_bfloat(float value) {
  const uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>((bits >> 16) | 0x40);  // NaN stays one
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace seatrial
