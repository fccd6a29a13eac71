// One thread's walk through one chunk of tiles. Every thread runs the same `VisionPass` and shares its stages with the
// others.

#pragma once

#include <chrono>

#include "vision.h"

namespace seatrial {

class VisionPass {
 public:
  VisionPass(VisionTower& tower, const Chunk& chunk, Walk& walk);
  void run();

 private:
  // What a token's hidden state gains before a norm: the last matrix' row and numbers of its own or of all tokens.
  struct Gain {
    const float* numbers;
    int period;  // tokens with different numbers; 1: all the same
    bool first;  // there is no hidden state yet
  };

  template <typename Body>
  void for_tokens(int count, Work work, const Body& body);
  void take_patches();
  void norm(const LayerNorm& norm, const Weight& next, const Gain& gain);
  void gain_row(int token, const Gain& gain);
  void attend(const VisionLayer& layer);
  void attend_by_tile(const VisionLayer& layer);
  uint8_t* scratch_of_thread();
  void keep_keys_and_values(const VisionLayer& layer);
  void take_attended(const Weight& next);
  void activate(const VisionLayer& layer);
  void join_patches(const Gain& gain);
  float* room_for(const Weight& next, int token);
  void feed(const Weight& next, float* row, int used, int token, int tokens);
  void product(const Weight& weight, int tokens, float* to);
  Activations inputs_of(const Weight& weight, int tokens) const;
  FineActivations fine_inputs_of(const Weight& weight, int tokens) const;
  void lap(Work work);

  VisionTower& tower_;
  const VisionModel& model_;
  const Kernels& kernels_;
  const Chunk& chunk_;
  Walk& walk_;
  const int tokens_;
  std::chrono::steady_clock::time_point lap_;
};

}  // namespace seatrial
