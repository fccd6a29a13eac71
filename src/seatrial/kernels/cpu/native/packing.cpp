#include "packing.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <stdexcept>

#include "half.h"

namespace seatrial {
namespace {

// One group of one row on its way into a panel. Of 4-bit codes, byte i holds code i below and code i + 16 above, as in
// GGUF; 8-bit codes follow one another.
struct Group {
  uint8_t codes[kGroup];
  uint16_t scale;
  uint16_t minimum;
};

bool four_bit(Format format) { return format == Format::q4_0 || format == Format::q4_1; }

uint16_t read_u16(const uint8_t* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

Group read_block(Source source, const uint8_t* row, int group) {
  const size_t bytes = source_row_bytes(source, kGroup);
  const uint8_t* block = row + bytes * static_cast<size_t>(group);
  Group read{};
  read.scale = read_u16(block);
  const size_t head = source == Source::q4_1 ? 4 : 2;
  if (source == Source::q4_1) read.minimum = read_u16(block + 2);
  std::memcpy(read.codes, block + head, bytes - head);
  return read;
}

// 1 / scale; 0 for scales so small that a half cannot hold them.
float inverse_of(float scale) { return std::fabs(scale) > 1e-30f ? 1 / scale : 0; }

// 0 also for what is not a number: weights whose scale is beyond a float.
uint8_t code_within(float value, int largest) {
  if (!(value > 0)) return 0;
  return static_cast<uint8_t>(value < static_cast<float>(largest) ? static_cast<int>(value) : largest);
}

// scale = the value of largest magnitude / -8, so that it gets code 0; code = value / scale + 8, rounded.
Group round_q4_0(const float* x) {
  float extreme = 0;
  for (int i = 0; i < kGroup; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  const float scale = extreme / -8;
  const float inverse = inverse_of(scale);
  Group to{};
  to.scale = to_half(scale);
  for (int i = 0; i < kGroup / 2; ++i) {
    const uint8_t low = code_within(x[i] * inverse + 8.5f, 15), high = code_within(x[i + 16] * inverse + 8.5f, 15);
    to.codes[i] = static_cast<uint8_t>(low | high << 4);
  }
  return to;
}

// scale = (max - min) / 15; code = (value - min) / scale, rounded.
Group round_q4_1(const float* x) {
  const auto ends = std::minmax_element(x, x + kGroup);
  const float minimum = *ends.first;
  const float scale = (*ends.second - minimum) / 15;
  const float inverse = inverse_of(scale);
  Group to{};
  to.scale = to_half(scale);
  to.minimum = to_half(minimum);
  for (int i = 0; i < kGroup / 2; ++i) {
    const uint8_t low = code_within((x[i] - minimum) * inverse + 0.5f, 15);
    const uint8_t high = code_within((x[i + 16] - minimum) * inverse + 0.5f, 15);
    to.codes[i] = static_cast<uint8_t>(low | high << 4);
  }
  return to;
}

// scale = max|x| / 127; code = value / scale, rounded.
Group round_q8_0(const float* x) {
  float largest = 0;
  for (int i = 0; i < kGroup; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float scale = largest / 127;
  const float inverse = inverse_of(scale);
  Group to{};
  to.scale = to_half(scale);
  for (int i = 0; i < kGroup; ++i) {
    const int code = static_cast<int>(std::lrint(x[i] * inverse));
    to.codes[i] = static_cast<uint8_t>(static_cast<int8_t>(std::min(std::max(code, -127), 127)));
  }
  return to;
}

Group round_group(Format format, const float* x) {
  if (!std::all_of(x, x + kGroup, [](float value) { return std::isfinite(value); })) {
    Group damaged{};
    damaged.scale = to_half(NAN);  // whatever is multiplied by it is no number either
    return damaged;
  }
  if (format == Format::q4_0) return round_q4_0(x);
  return format == Format::q4_1 ? round_q4_1(x) : round_q8_0(x);
}

// Bytes 4i..4i+3 of the codes are one quad of columns (or two of 4 bits): line i, row r at byte 4r. Quad 2 of row 5
// comes to byte 2 * 64 + 5 * 4 = 148.
void put_group(Format format, const Group& from, int row, uint8_t* to) {
  const int lines = four_bit(format) ? 4 : 8;
  for (int line = 0; line < lines; ++line) std::memcpy(to + line * 64 + row * 4, from.codes + line * 4, 4);
  uint8_t* scales = to + lines * 64;
  std::memcpy(scales + row * 2, &from.scale, 2);
  if (format == Format::q4_1) std::memcpy(scales + 32 + row * 2, &from.minimum, 2);
}

// Columns 2p and 2p + 1 of row r come to byte 64p + 4r.
void put_bfloats(const float* x, int row, uint8_t* to) {
  for (int column = 0; column < kGroup; ++column) {
    const uint16_t value = to_bfloat(x[column]);
    std::memcpy(to + column / 2 * 64 + row * 4 + column % 2 * 2, &value, 2);
  }
}

void put_row(const Part& part, int part_row, const Weight& weight, int row, uint8_t* data) {
  const uint8_t* from = part.data + source_row_bytes(part.source, weight.columns) * static_cast<size_t>(part_row);
  uint8_t* panel = data + weight.panel_bytes() * static_cast<size_t>(row / kPanelRows);
  for (int group = 0; group < weight.groups(); ++group) {
    uint8_t* to = panel + weight.group_bytes() * static_cast<size_t>(group);
    if (part.source != Source::f32) {
      put_group(weight.format, read_block(part.source, from, group), row % kPanelRows, to);
      continue;
    }
    float x[kGroup];
    std::memcpy(x, from + sizeof x * static_cast<size_t>(group), sizeof x);
    if (weight.format == Format::bf16) put_bfloats(x, row % kPanelRows, to);
    else put_group(weight.format, round_group(weight.format, x), row % kPanelRows, to);
  }
}

float column_value(Format format, const uint8_t* group, int row, int column) {
  if (format == Format::bf16) return from_bfloat(read_u16(group + column / 2 * 64 + row * 4 + column % 2 * 2));
  const bool nibbles = four_bit(format);
  const int quad = column / 4;
  const uint8_t byte = group[(nibbles ? quad % 4 : quad) * 64 + row * 4 + column % 4];
  const uint8_t* scales = group + (nibbles ? 256 : 512);
  const float scale = from_half(read_u16(scales + row * 2));
  if (format == Format::q8_0) return scale * static_cast<float>(static_cast<int8_t>(byte));
  const float code = static_cast<float>(quad < 4 ? byte & 15 : byte >> 4);
  if (format == Format::q4_0) return scale * (code - 8);
  return scale * code + from_half(read_u16(scales + 32 + row * 2));
}

int total_rows(const std::vector<Part>& parts, int columns, Format format) {
  if (columns < kGroup || columns % kGroup != 0) {
    throw std::invalid_argument("A packed matrix needs a multiple of 32 columns; this one has " +
                                std::to_string(columns) + ".");
  }
  long long rows = 0;
  for (const Part& part : parts) {
    if (part.source != Source::f32 && static_cast<int>(part.source) != static_cast<int>(format)) {
      throw std::invalid_argument(
          "GGUF blocks can be packed into the format of the same name alone; dequantise them and give F32.");
    }
    rows += part.rows;
  }
  if (rows < 1 || rows > INT_MAX - kPanelRows) {
    throw std::invalid_argument("A packed matrix needs at least one row and fewer than 2^31.");
  }
  return static_cast<int>(rows);
}

}  // namespace

size_t source_row_bytes(Source source, int columns) {
  const size_t groups = static_cast<size_t>(columns) / kGroup;
  switch (source) {
    case Source::q4_0: return groups * 18;
    case Source::q4_1: return groups * 20;
    case Source::q8_0: return groups * 34;
    default: return groups * kGroup * sizeof(float);
  }
}

PackedMatrix::PackedMatrix(const std::vector<Part>& parts, int columns, Format format)
    : weight_{format, total_rows(parts, columns, format), columns, nullptr} {
  buffer_ = Buffer(weight_.bytes(), true);
  weight_.data = buffer_.data();
  int row = 0;
  for (const Part& part : parts) {
    for (int part_row = 0; part_row < part.rows; ++part_row) put_row(part, part_row, weight_, row++, buffer_.data());
  }
}

void dequantise_row(const Weight& weight, int row, float* to) {
  const uint8_t* panel = weight.data + weight.panel_bytes() * static_cast<size_t>(row / kPanelRows);
  for (int column = 0; column < weight.columns; ++column) {
    const uint8_t* group = panel + weight.group_bytes() * static_cast<size_t>(column / kGroup);
    to[column] = column_value(weight.format, group, row % kPanelRows, column % kGroup);
  }
}

}  // namespace seatrial
