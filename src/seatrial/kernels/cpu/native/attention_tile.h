// What attention within a tile of a picture has in common on every level that has its own: rows of a head as they lie in
// memory, and the softmax of a row of scores.

#pragma once

#include "attention_plan.h"
#include "kernels.h"
#include "panel_walk.h"
#include "simd_float.h"

namespace seatrial::SEATRIAL_LEVEL {

inline int padded_to(int size, int multiple) { return (size + multiple - 1) / multiple * multiple; }

// Rows of one head lie a page or more apart, where the hardware does not foresee the next one.
inline void ask_for_row(const float* row, int head, ptrdiff_t stride) {
  constexpr int kRowsAhead = 8, kFloatsPerLine = 16;
  for (int i = 0; i < head; i += kFloatsPerLine) ask_for(row + i, kRowsAhead * stride * static_cast<ptrdiff_t>(sizeof(float)));
}

// H numbers and their bias, and zeros behind them up to `padded`.
inline void take_row(const float* from, const float* bias, int head, int padded, float* row) {
  for (int i = 0; i < head; ++i) row[i] = from[i] + bias[i];
  for (int i = head; i < padded; ++i) row[i] = 0;
}

// Token t of one head's queries, keys or values, with its bias and zeros behind it up to `padded`; past the last token,
// zeros alone.
inline void read_token(const TileHead& tile, const float* rows, const float* bias, int t, int padded, float* row) {
  const bool there = t < tile.tokens;
  const float* from = rows + (there ? t : 0) * tile.stride;
  ask_for_row(from, tile.head, tile.stride);
  take_row(from, bias, there ? tile.head : 0, padded, row);
}

// A row of S scores, a multiple of 16, into exponentials relative to the largest. Returns their sum; NaN where a score is.
inline float exponentials(float* scores, int end) {
  Vec top[kPer16], sum[kPer16];
  for (int i = 0; i < kPer16; ++i) {
    top[i] = load(scores + kLanes * i);
    sum[i] = broadcast(0);
  }
  for (int k = 16; k < end; k += 16) {
    for (int i = 0; i < kPer16; ++i) top[i] = larger(load(scores + k + kLanes * i), top[i]);
  }
  const Vec peak = broadcast(peak16(top));
  for (int k = 0; k < end; k += 16) {
    for (int i = 0; i < kPer16; ++i) {
      const Vec e = exp(sub(load(scores + k + kLanes * i), peak));
      store(scores + k + kLanes * i, e);
      sum[i] = add(sum[i], e);
    }
  }
  return sum16(sum);
}

}  // namespace seatrial::SEATRIAL_LEVEL
