// Which tokens go through attention together: the plan of one pass, kept in `Queries::shared`.
//
// Positions are cut into ranges of 512, whatever the batch. A run of tokens of one sequence that is longer than
// `kShortRun` is cut into tiles, and a tile's task goes through all ranges one after another. Shorter runs (decode,
// drafts) get a task per range, and those whose tables name the same block at the start of the range share it: the
// block is then read and converted once for all of them. Their partial results are merged in order by whichever task
// of a token ends last. What is added to what, and in which order, is the same in every plan.
//
// Example: three sequences decode at positions 1099, 1050 and 700, the first two with the same first 1,000 tokens.
// Range 0 gives the tasks {0, 1} and {2}, range 1 (positions 512 to 1023) again {0, 1} and {2}, range 2 gives {0} and
// {1}: their tables differ at block 64, where it starts. Each of these six tasks exists once per key-value head.

#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.h"
#include "simd_float.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kSpan = 64;       // positions that share a maximum
constexpr int kRange = 512;     // positions that share a partial result
constexpr int kTileRows = 96;   // rows (tokens x query heads of a key-value head) of a task, at most
constexpr int kGroupRows = 48;  // rows that share a range, at most, so that there are tasks enough for the threads
constexpr int kShortRun = 16;   // tokens of a run that is planned range by range, at most
constexpr int kRecordHead = 16; // floats before the H values of a partial result: maximum, sum, padding

inline int range_count(int position) { return position / kRange + 1; }

// Tokens members[first, first + count), which go through the ranges [first_range, end_range) together.
struct Task {
  int32_t first, count, first_range, end_range;
  int32_t split;  // whether other tasks have other ranges of these tokens
};

// Tokens [first, first + count) of the pass, all of one sequence.
struct Run {
  int32_t first, count;
};

struct Plan {
  int32_t num_tasks = 0, num_members = 0, num_short = 0;
  Task* tasks = nullptr;
  int32_t* members = nullptr;
  Run* short_runs = nullptr;
  int32_t* records_at = nullptr;  // [T] the token's first partial result, counted per query head
  int32_t* finished = nullptr;    // [T, heads] ranges that are done; back at 0 after the last one
  float* records = nullptr;       // [.., query head, range of the token, kRecordHead + H]
};

inline int group_size(const LayerCache& cache, const Queries& queries) { return queries.query_heads / cache.heads; }

inline int least(int a, int b) { return a < b ? a : b; }
inline int most(int a, int b) { return a > b ? a : b; }

// The next run: it begins at token `first`.
inline Run run_at(const Queries& queries, int first) {
  int end = first + 1;
  while (end < queries.tokens && queries.sequence[end] == queries.sequence[first]) ++end;
  return {first, end - first};
}

inline int last_position(const Queries& queries, const Run& run) { return queries.position[run.first + run.count - 1]; }

inline int tile_tokens(const LayerCache& cache, const Queries& queries) {
  return most(1, kTileRows / group_size(cache, queries));
}

inline int group_tokens(const LayerCache& cache, const Queries& queries) {
  return most(1, kGroupRows / group_size(cache, queries));
}

// How much of everything the plan needs at most.
struct PlanSize {
  size_t tasks = 0, members = 0, short_runs = 0, records = 0;
};

inline PlanSize plan_size(const LayerCache& cache, const Queries& queries) {
  PlanSize size;
  const int tile = tile_tokens(cache, queries);
  for (int token = 0; token < queries.tokens;) {
    const Run run = run_at(queries, token);
    token += run.count;
    if (run.count > kShortRun) {
      size.tasks += static_cast<size_t>((run.count + tile - 1) / tile);
      size.members += static_cast<size_t>(run.count);
      continue;
    }
    const size_t ranges = static_cast<size_t>(range_count(last_position(queries, run)));
    const int together = group_tokens(cache, queries);
    size.short_runs += 1;
    size.tasks += ranges * static_cast<size_t>((run.count + together - 1) / together);
    size.members += ranges * static_cast<size_t>(run.count);
    if (ranges > 1) size.records += ranges * static_cast<size_t>(run.count);
  }
  return size;
}

// Hands out pieces of one buffer, each on a cache line of its own; without a buffer it only counts.
struct Carver {
  uint8_t* base;
  size_t used = 0;

  template <class Item>
  Item* take(size_t count) {
    Item* piece = base == nullptr ? nullptr : reinterpret_cast<Item*>(base + used);
    used += (count * sizeof(Item) + 63) / 64 * 64;
    return piece;
  }
};

inline size_t lay_out(const LayerCache& cache, const Queries& queries, void* memory, Plan& plan) {
  const PlanSize size = plan_size(cache, queries);
  const size_t tokens = static_cast<size_t>(queries.tokens);
  Carver carver{static_cast<uint8_t*>(memory)};
  carver.take<Plan>(1);
  plan.tasks = carver.take<Task>(size.tasks);
  plan.members = carver.take<int32_t>(size.members);
  plan.short_runs = carver.take<Run>(size.short_runs);
  plan.records_at = carver.take<int32_t>(tokens);
  plan.finished = carver.take<int32_t>(tokens * static_cast<size_t>(cache.heads));
  plan.records = carver.take<float>(size.records * static_cast<size_t>(queries.query_heads) *
                                    static_cast<size_t>(kRecordHead + cache.head_dim));
  return carver.used;
}

inline int32_t block_at(const Queries& queries, int token, int position) {
  const size_t row = static_cast<size_t>(queries.sequence[token]) * static_cast<size_t>(queries.table_stride);
  return queries.tables[row + static_cast<size_t>(position / kBlockTokens)];
}

// Whether run a comes before run b: by their blocks at the start of each span, so that sharers stand side by side.
inline bool comes_before(const Queries& queries, const Run& a, const Run& b) {
  const int end = least(last_position(queries, a), last_position(queries, b));
  for (int position = 0; position <= end; position += kSpan) {
    const int32_t left = block_at(queries, a.first, position), right = block_at(queries, b.first, position);
    if (left != right) return left < right;
  }
  return a.first < b.first;
}

// Shell's sort (1959), with gaps 1, 4, 13, 40, ...
inline void sort_runs(const Queries& queries, Run* runs, int count) {
  int gap = 1;
  while (gap < count / 3) gap = 3 * gap + 1;
  for (; gap > 0; gap /= 3) {
    for (int i = gap; i < count; ++i) {
      const Run run = runs[i];
      int at = i;
      for (; at >= gap && comes_before(queries, run, runs[at - gap]); at -= gap) runs[at] = runs[at - gap];
      runs[at] = run;
    }
  }
}

inline void plan_tiles(const LayerCache& cache, const Queries& queries, const Run& run, Plan& plan) {
  const int tile = tile_tokens(cache, queries);
  for (int begin = (run.count - 1) / tile * tile; begin >= 0; begin -= tile) {  // the longest first
    const int count = least(tile, run.count - begin), first = run.first + begin;
    const int ranges = range_count(queries.position[first + count - 1]);
    plan.tasks[plan.num_tasks++] = {plan.num_members, count, 0, ranges, 0};
    for (int token = first; token < first + count; ++token) plan.members[plan.num_members++] = token;
  }
}

// Tasks of the short runs for one range. Returns how many tokens see it.
inline int plan_range(const LayerCache& cache, const Queries& queries, int range, Plan& plan) {
  const int start = range * kRange, together = group_tokens(cache, queries);
  int members = 0, open_block = -1;
  Task* open = nullptr;
  for (int i = 0; i < plan.num_short; ++i) {
    const Run& run = plan.short_runs[i];
    for (int token = run.first; token < run.first + run.count; ++token) {
      if (queries.position[token] < start) continue;
      const int block = block_at(queries, token, start);
      if (open == nullptr || block != open_block || open->count == together) {
        open = &plan.tasks[plan.num_tasks++];
        *open = {plan.num_members, 0, range, range + 1, 1};
        open_block = block;
      }
      plan.members[plan.num_members++] = token;
      open->count += 1;
      members += 1;
    }
  }
  return members;
}

inline size_t attend_shared(const LayerCache& cache, const Queries& queries) {
  Plan plan;
  return lay_out(cache, queries, nullptr, plan);
}

inline int attend_tasks(const LayerCache& cache, const Queries& queries) {
  if (queries.shared == nullptr) return queries.tokens * cache.heads;
  Plan plan;
  lay_out(cache, queries, queries.shared, plan);
  int32_t records = 0;
  for (int token = 0; token < queries.tokens;) {
    const Run run = run_at(queries, token);
    token += run.count;
    if (run.count > kShortRun) {
      plan_tiles(cache, queries, run, plan);
      continue;
    }
    plan.short_runs[plan.num_short++] = run;
    for (int member = run.first; member < token; ++member) {
      plan.records_at[member] = records;
      const int ranges = range_count(queries.position[member]);
      if (ranges > 1) records += ranges;
    }
  }
  sort_runs(queries, plan.short_runs, plan.num_short);
  for (int range = 0; plan_range(cache, queries, range, plan) > 0; ++range) {
  }
  const size_t counters = static_cast<size_t>(queries.tokens) * static_cast<size_t>(cache.heads);
  std::memset(plan.finished, 0, counters * sizeof(int32_t));
  std::memcpy(queries.shared, &plan, sizeof plan);
  return plan.num_tasks * cache.heads;
}

}  // namespace seatrial::SEATRIAL_LEVEL
