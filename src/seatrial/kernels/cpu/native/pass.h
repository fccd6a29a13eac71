// One thread's walk through one step. Every thread runs the same `Pass` and shares its stages with the others.

#pragma once

#include "decoder.h"

namespace seatrial {

class Pass {
 public:
  Pass(Decoder& decoder, const Step& step, Walk& walk);
  void run();

 private:
  template <typename Body>
  void for_tokens(int count, const Body& body);
  void embed();
  void set_angles(int token);
  void norm(const std::vector<float>& weight, const Weight& next, bool add);
  void keep_keys_and_values(const Layer& layer, const LayerCache& cache);
  void attend(const LayerCache& cache);
  void take_attended(const Weight& next);
  void activate(const Weight& next);
  void choose_rows();
  void give_hidden(float* to);
  void last_norm(int row, float* to);
  void feed(const Weight& next, const float* row, int token, int tokens);
  float* room_for(const Weight& next, int token);
  void product(const Weight& weight, int tokens, float* to);
  Activations inputs_of(const Weight& weight, int tokens) const;

  Decoder& decoder_;
  const Model& model_;
  const Kernels& kernels_;
  const Step& step_;
  Walk& walk_;
};

}  // namespace seatrial
