// Matrices in the layout of `kernels.h`: made from GGUF blocks or floats, and read back.

#pragma once

#include <cstdint>
#include <vector>

#include "buffer.h"
#include "kernels.h"

namespace seatrial {

// What a part of a matrix comes as: GGUF blocks, or floats.
enum class Source : int { q4_0 = 0, q4_1 = 1, q8_0 = 2, f32 = 3 };

// `rows` rows, one after another without gaps.
struct Part {
  Source source;
  int rows;
  const uint8_t* data;
};

// Bytes of one row of `columns` values.
size_t source_row_bytes(Source source, int columns);

class PackedMatrix {
 public:
  // Stack parts by rows. GGUF blocks go into the format of their own name as they are; floats are rounded to nearest
  // (the scales of ggml's reference quantisers; Q8_0 codes round half to even). `columns` is a multiple of 32.
  // Throws std::invalid_argument where a part does not go into the format, std::bad_alloc.
  PackedMatrix(const std::vector<Part>& parts, int columns, Format format);

  const Weight& weight() const { return weight_; }
  const Buffer& buffer() const { return buffer_; }

 private:
  Buffer buffer_;
  Weight weight_;
};

// One row as floats, to[columns].
void dequantise_row(const Weight& weight, int row, float* to);

}  // namespace seatrial
