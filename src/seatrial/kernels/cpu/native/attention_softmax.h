// The state of a task's rows in the online softmax (Milakov & Gimelshein 2018, arXiv 1805.02867; Dao et al. 2022,
// arXiv 2205.14135, section 3.1), and how scores of a span enter it.
//
// A row keeps the largest score so far, 16 sums of its exponentials (position p enters sum p % 16) and H outputs. When
// the maximum rises by x, sums and outputs so far are multiplied by e^-x. A record is the state after a range of
// positions; records of later ranges are merged into earlier ones the same way.

#pragma once

#include <cstdint>
#include <cstring>

#include "attention_plan.h"
#include "simd_float.h"

namespace seatrial::SEATRIAL_LEVEL {

// The maximum of a row that has seen nothing, and the score of what it must not see.
constexpr float kNone = -__builtin_inff();

// What a task works on. Lengths: R rows, H head size.
struct Rows {
  float* q;           // [R, H] scaled
  float* scores;      // [R, kSpan] scores, then weights
  float* out;         // [R, H]
  float* sums;        // [R, 16]
  float* peaks;       // [R]
  float* shrink;      // [R] what earlier sums and outputs are multiplied by; whole vectors are written
  float* totals;      // [R, kRecordHead + H] merged ranges
  float* record;      // [kRecordHead + H] one more
  float* keys;        // [kSpanBlocks, H, 16] a span as floats
  float* values;      // [kSpan, H]
  float* key_scales;  // [kSpan], int8 only
  float* value_scales;
};

inline size_t lay_out(int rows, int head_dim, float* scratch, Rows& to) {
  Carver carver{reinterpret_cast<uint8_t*>(scratch)};
  const size_t r = static_cast<size_t>(rows), h = static_cast<size_t>(head_dim);
  to.q = carver.take<float>(r * h);
  to.scores = carver.take<float>(r * kSpan);
  to.out = carver.take<float>(r * h);
  to.sums = carver.take<float>(r * 16);
  to.peaks = carver.take<float>(r);
  to.shrink = carver.take<float>(r + kLanes);
  to.totals = carver.take<float>(r * (kRecordHead + h));
  to.record = carver.take<float>(kRecordHead + h);
  to.keys = carver.take<float>(kSpan * h);
  to.values = carver.take<float>(kSpan * h);
  to.key_scales = carver.take<float>(kSpan);
  to.value_scales = carver.take<float>(kSpan);
  return carver.used;
}

// Applies the scales of an int8 cache to a row's scores, and takes away what lies past `positions`.
template <bool kScaled>
inline void trim_scores(const Rows& rows, float* scores, int positions) {
  static const float kIndex[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int at = 0; at < kSpan; at += kLanes) {
    Vec x = load(scores + at);
    if (kScaled) x = mul(x, load(rows.key_scales + at));
    store(scores + at, choose_below(load(kIndex), broadcast(static_cast<float>(positions - at)), x, broadcast(kNone)));
  }
}

// Takes a row's scores into its maximum. Returns how far that rose, as a number that is not above 0.
inline float raise_peak(const Rows& rows, int row) {
  const float* scores = rows.scores + row * kSpan;
  Vec top[kPer16];
  for (int i = 0; i < kPer16; ++i) top[i] = load(scores + i * kLanes);
  for (int at = 16; at < kSpan; at += 16)
    for (int i = 0; i < kPer16; ++i) top[i] = larger(top[i], load(scores + at + i * kLanes));
  const float highest = peak16(top), before = rows.peaks[row];
  const float peak = highest > before ? highest : before;
  rows.peaks[row] = peak;
  return before - peak;
}

// A row's scores into weights, exponentials relative to its maximum, which are added to its 16 sums.
template <bool kScaled>
inline void weigh(const Rows& rows, int row) {
  float* scores = rows.scores + row * kSpan;
  float* sums = rows.sums + row * 16;
  const Vec peak = broadcast(rows.peaks[row]), shrink = broadcast(rows.shrink[row]);
  Vec sum[kPer16];
  for (int i = 0; i < kPer16; ++i) sum[i] = mul(load(sums + i * kLanes), shrink);
  for (int at = 0; at < kSpan; at += 16) {
    for (int i = 0; i < kPer16; ++i) {
      const int lane = at + i * kLanes;
      const Vec weight = exp(sub(load(scores + lane), peak));
      sum[i] = add(sum[i], weight);
      store(scores + lane, kScaled ? mul(weight, load(rows.value_scales + lane)) : weight);
    }
  }
  for (int i = 0; i < kPer16; ++i) store(sums + i * kLanes, sum[i]);
}

// Scores of rows [first, first + count) into weights, 0 from `positions` on.
template <bool kScaled>
inline void soften(const Rows& rows, int first, int count, int positions) {
  const int end = first + count;
  if (kScaled || positions < kSpan)
    for (int row = first; row < end; ++row) trim_scores<kScaled>(rows, rows.scores + row * kSpan, positions);
  for (int row = first; row < end; ++row) rows.shrink[row] = raise_peak(rows, row);
  for (int row = first; row < end; row += kLanes) store(rows.shrink + row, exp(load(rows.shrink + row)));
  for (int row = first; row < end; ++row) weigh<kScaled>(rows, row);
}

// A row's partial result: maximum, sum, and from kRecordHead on H outputs that are not yet divided by the sum.
inline void write_record(const Rows& rows, int row, int head_dim, float* record) {
  Vec sums[kPer16];
  for (int i = 0; i < kPer16; ++i) sums[i] = load(rows.sums + row * 16 + i * kLanes);
  record[0] = rows.peaks[row];
  record[1] = sum16(sums);
  std::memcpy(record + kRecordHead, rows.out + row * head_dim, sizeof(float) * static_cast<size_t>(head_dim));
}

// Takes the partial result of the next range into those before it.
inline void merge_record(float* into, const float* next, int head_dim) {
  const float peak = next[0] > into[0] ? next[0] : into[0];
  const float keep = exp(into[0] - peak), gain = exp(next[0] - peak);
  into[0] = peak;
  into[1] = into[1] * keep + next[1] * gain;
  for (int at = kRecordHead; at < kRecordHead + head_dim; at += kLanes)
    store(into + at, fma(load(next + at), broadcast(gain), mul(load(into + at), broadcast(keep))));
}

}  // namespace seatrial::SEATRIAL_LEVEL
