// Attention of a level over the paged cache: store keys and values, and attend for one task of the plan.
//
// A row (token x query head) goes through spans of 64 positions in order, as attention_softmax.h says; every 512
// positions it starts anew, and the partial results are merged in order. All of this depends on the position alone, and
// no other row enters a row's arithmetic: its bits are the same alone, in a batch, in any chunk, from a shared prefix.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "attention_plan.h"
#include "attention_products.h"
#include "attention_softmax.h"
#include "attention_store.h"
#include "kernels.h"
#include "simd_float.h"

namespace seatrial::SEATRIAL_LEVEL {

inline size_t attend_scratch(const LayerCache& cache, const Queries& queries) {
  Rows rows;
  const int most_rows = tile_tokens(cache, queries) * group_size(cache, queries);
  return lay_out(most_rows, cache.head_dim, nullptr, rows) / sizeof(float);
}

// One task and everything it looks at. `members` are its tokens; row = member * group + query head within the group.
struct Work {
  const LayerCache& cache;
  const Queries& queries;
  const Plan& plan;
  Task task;
  const int32_t* members;
  int head;   // key-value head
  int group;  // query heads of it
  Rows rows;

  int position(int member) const { return queries.position[members[member]]; }
  int query_head(int row) const { return head * group + row % group; }
};

// Members [first, end) that go through a span side by side, over the same blocks.
struct Party {
  int first, end;
};

// Whether two members read the same blocks for the whole span: one sequence, or full blocks of the same name.
inline bool same_blocks(const Work& work, int left, int right, int start) {
  const int a = work.members[left], b = work.members[right];
  if (work.queries.sequence[a] == work.queries.sequence[b]) return true;
  const int last = start + kSpan - 1;
  if (work.queries.position[a] < last || work.queries.position[b] < last) return false;
  for (int position = start; position <= last; position += kBlockTokens)
    if (block_at(work.queries, a, position) != block_at(work.queries, b, position)) return false;
  return true;
}

// The next party of the span at position `start`, from member `from` on; empty at the end.
inline Party next_party(const Work& work, int from, int start) {
  while (from < work.task.count && work.position(from) < start) ++from;
  int end = from;
  while (end < work.task.count && work.position(end) >= start && (end == from || same_blocks(work, from, end, start)))
    ++end;
  return {from, end};
}

template <class Source>
struct SpanBlocks {
  Blocks<Source> keys, values;
};

// Rows [first, first + count) through `positions` positions of a span.
template <bool kScaled, class Source>
inline void pass_rows(const Work& work, const SpanBlocks<Source>& blocks, int first, int count, int positions) {
  const Rows& rows = work.rows;
  const int head_dim = work.cache.head_dim, num_blocks = (positions + kBlockTokens - 1) / kBlockTokens;
  float* scores = rows.scores + first * kSpan;
  cover(ScoreProduct<Source>{rows.q + first * head_dim, blocks.keys, head_dim, scores}, count, num_blocks);
  soften<kScaled>(rows, first, count, positions);
  cover(ValueProduct<Source>{scores, blocks.values, positions, head_dim, rows.shrink + first,
                             rows.out + first * head_dim},
        count, head_dim / 16);
}

// A party through the span at `start`: tokens that end within the span one by one, those that see all of it together.
template <bool kScaled, class Source>
inline void pass_party(const Work& work, const SpanBlocks<Source>& blocks, const Party& party, int start) {
  int member = party.first;
  for (; member < party.end && work.position(member) < start + kSpan - 1; ++member)
    pass_rows<kScaled>(work, blocks, member * work.group, work.group, work.position(member) - start + 1);
  if (member < party.end)
    pass_rows<kScaled>(work, blocks, member * work.group, (party.end - member) * work.group, kSpan);
}

// The place of a block's keys and values of this task's head, in heads of blocks.
inline size_t place_of(const Work& work, int member, int position) {
  const int block = block_at(work.queries, work.members[member], position);
  return static_cast<size_t>(block) * static_cast<size_t>(work.cache.heads) + static_cast<size_t>(work.head);
}

// Points at the party's blocks and copies their scales. Returns how many there are.
template <bool kScaled, class Source>
inline int find_blocks(const Work& work, const Party& party, int start, SpanBlocks<Source>& blocks) {
  using Element = typename Source::Element;
  const LayerCache& cache = work.cache;
  const size_t size = static_cast<size_t>(kBlockTokens * cache.head_dim), scale_bytes = kBlockTokens * sizeof(float);
  const int member = party.end - 1, last = work.position(member);
  const int count = least(last - start, kSpan - 1) / kBlockTokens + 1;
  for (int i = 0; i < count; ++i) {
    const int position = start + i * kBlockTokens, later = position + kSpan;
    const size_t now = place_of(work, member, position), next = later <= last ? place_of(work, member, later) : now;
    blocks.keys.now[i] = static_cast<const Element*>(cache.keys) + now * size;
    blocks.keys.next[i] = static_cast<const Element*>(cache.keys) + next * size;
    blocks.values.now[i] = static_cast<const Element*>(cache.values) + now * size;
    blocks.values.next[i] = static_cast<const Element*>(cache.values) + next * size;
    if (kScaled) {
      std::memcpy(work.rows.key_scales + i * kBlockTokens, cache.key_scales + now * kBlockTokens, scale_bytes);
      std::memcpy(work.rows.value_scales + i * kBlockTokens, cache.value_scales + now * kBlockTokens, scale_bytes);
    }
  }
  return count;
}

// All members through one span. What more rows use than a register tile holds is turned into floats first.
template <bool kScaled, class Source>
inline void pass_span(const Work& work, int start) {
  const int block_size = kBlockTokens * work.cache.head_dim;
  for (Party party = next_party(work, 0, start); party.first < party.end; party = next_party(work, party.end, start)) {
    SpanBlocks<Source> blocks;
    const int count = find_blocks<kScaled, Source>(work, party, start, blocks);
    if ((party.end - party.first) * work.group <= kTallRows) {
      pass_party<kScaled>(work, blocks, party, start);
      continue;
    }
    SpanBlocks<FloatSource> widened;
    for (int i = 0; i < count; ++i) {
      widened.keys.now[i] = widen(blocks.keys, i, block_size, work.rows.keys);
      widened.values.now[i] = widen(blocks.values, i, block_size, work.rows.values);
    }
    pass_party<kScaled>(work, widened, party, start);
  }
}

inline void write_output(const Work& work, int row, const float* record) {
  const int token = work.members[row / work.group], head_dim = work.cache.head_dim;
  const int at = token * work.queries.query_heads + work.query_head(row);
  float* out = work.queries.out + static_cast<size_t>(at) * static_cast<size_t>(head_dim);
  const Vec scale = broadcast(1.0f / record[1]);
  for (int i = 0; i < head_dim; i += kLanes) store(out + i, mul(load(record + kRecordHead + i), scale));
}

// Whichever task of a token and key-value head ends last merges all its ranges.
inline void close_split(const Work& work, int member, int range, int ranges) {
  const int token = work.members[member], head_dim = work.cache.head_dim, stride = kRecordHead + head_dim;
  const size_t heads = static_cast<size_t>(work.queries.query_heads);
  const size_t before = static_cast<size_t>(work.plan.records_at[token]) * heads;
  const auto records = [&](int row) {
    const size_t at = before + static_cast<size_t>(work.query_head(row) * ranges);
    return work.plan.records + at * static_cast<size_t>(stride);
  };
  const int first = member * work.group, end = first + work.group;
  for (int row = first; row < end; ++row) write_record(work.rows, row, head_dim, records(row) + range * stride);
  int32_t* finished = work.plan.finished + token * work.cache.heads + work.head;
  if (__atomic_add_fetch(finished, 1, __ATOMIC_ACQ_REL) < ranges) return;
  __atomic_store_n(finished, 0, __ATOMIC_RELAXED);
  for (int row = first; row < end; ++row) {
    float* all = records(row);
    for (int next = 1; next < ranges; ++next) merge_record(all, all + next * stride, head_dim);
    write_output(work, row, all);
  }
}

inline void close_member(const Work& work, int member, int range) {
  const int ranges = range_count(work.position(member)), head_dim = work.cache.head_dim;
  if (range >= ranges) return;
  if (work.task.split && ranges > 1) return close_split(work, member, range, ranges);
  for (int row = member * work.group; row < (member + 1) * work.group; ++row) {
    float* total = work.rows.totals + row * (kRecordHead + head_dim);
    write_record(work.rows, row, head_dim, range == 0 ? total : work.rows.record);
    if (range > 0) merge_record(total, work.rows.record, head_dim);
    if (range == ranges - 1) write_output(work, row, total);
  }
}

template <bool kScaled, class Source>
inline void pass_range(const Work& work, int range) {
  const Rows& rows = work.rows;
  const int num_rows = work.task.count * work.group;
  std::memset(rows.out, 0, sizeof(float) * static_cast<size_t>(num_rows * work.cache.head_dim));
  std::memset(rows.sums, 0, sizeof(float) * static_cast<size_t>(num_rows * 16));
  for (int row = 0; row < num_rows; ++row) rows.peaks[row] = kNone;
  int last = 0;
  for (int member = 0; member < work.task.count; ++member)
    last = work.position(member) > last ? work.position(member) : last;
  const int start = range * kRange, end = least(start + kRange, last + 1);
  for (int span = start; span < end; span += kSpan) pass_span<kScaled, Source>(work, span);
  for (int member = 0; member < work.task.count; ++member) close_member(work, member, range);
}

inline void scale_queries(const Work& work) {
  const int size = work.group * work.cache.head_dim;
  const Vec scale = broadcast(1.0f / std::sqrt(static_cast<float>(work.cache.head_dim)));
  for (int member = 0; member < work.task.count; ++member) {
    const size_t at = static_cast<size_t>(work.members[member]) * static_cast<size_t>(work.cache.heads);
    const float* from = work.queries.q + (at + static_cast<size_t>(work.head)) * static_cast<size_t>(size);
    for (int i = 0; i < size; i += kLanes) store(work.rows.q + member * size + i, mul(load(from + i), scale));
  }
}

inline void attend(const LayerCache& cache, const Queries& queries, int task, float* scratch) {
  Plan plan;
  if (queries.shared != nullptr) std::memcpy(&plan, queries.shared, sizeof plan);
  const int32_t token = task / cache.heads;
  const int alone = queries.shared == nullptr ? range_count(queries.position[token]) : 0;
  const Task chosen = alone ? Task{0, 1, 0, alone, 0} : plan.tasks[task / cache.heads];
  const int32_t* members = alone ? &token : plan.members + chosen.first;
  Work work{cache, queries, plan, chosen, members, task % cache.heads, group_size(cache, queries), {}};
  lay_out(tile_tokens(cache, queries) * work.group, cache.head_dim, scratch, work.rows);
  scale_queries(work);
  for (int range = chosen.first_range; range < chosen.end_range; ++range) {
    if (cache.format == CacheFormat::bf16) {
      pass_range<false, Bf16Source>(work, range);
    } else {
      pass_range<true, Int8Source>(work, range);
    }
  }
}

}  // namespace seatrial::SEATRIAL_LEVEL
