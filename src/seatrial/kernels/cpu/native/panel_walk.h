// How the products of every level walk through a matrix: bytes of a group, shares of tokens, weights asked for ahead.

#pragma once

#include "kernels.h"

namespace seatrial::SEATRIAL_LEVEL {

constexpr int kTileTokens = 64;       // tokens that share an unpacked group, so that their running sums stay in L1
constexpr int kPrefetchBytes = 2048;  // how far ahead of the group in hand weights are asked for

template <Format F>
constexpr ptrdiff_t group_bytes() {
  return F == Format::q4_0 ? 288 : F == Format::q4_1 ? 320 : 544;
}

// Bring the line at `p + ahead` near; it may lie outside of any array.
inline void ask_for(const void* p, ptrdiff_t ahead) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(p) + static_cast<uintptr_t>(ahead)));
}

// The weights that come kPrefetchBytes after a group.
template <Format F>
inline void ask_for_group(const uint8_t* group) {
  for (ptrdiff_t b = 0; b < group_bytes<F>(); b += 64) ask_for(group, kPrefetchBytes + b);
}

struct Share {
  int first;
  int tokens;
};

inline int num_shares(int tokens) { return (tokens + kTileTokens - 1) / kTileTokens; }

// Share i of a batch, all of about one size: 130 tokens go as 43, 43 and 44.
inline Share share_of(int tokens, int i) {
  const int64_t shares = num_shares(tokens);
  const int first = static_cast<int>(tokens * static_cast<int64_t>(i) / shares);
  return {first, static_cast<int>(tokens * static_cast<int64_t>(i + 1) / shares) - first};
}

}  // namespace seatrial::SEATRIAL_LEVEL
