// The picture encoder, as Python sees it. Everything from outside is checked here or in what it calls.

#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <tuple>

#include "binding.h"
#include "dispatch.h"
#include "vision.h"

namespace seatrial {
namespace {

// Weight and bias.
using NormParts = std::pair<In<float, 1>, In<float, 1>>;
// Matrix and bias.
using AffineParts = std::pair<Matrix, In<float, 1>>;
// Norm; queries, keys and values; output; norm; up; down.
using LayerParts = std::tuple<NormParts, AffineParts, AffineParts, NormParts, AffineParts, AffineParts>;
// Edge of a tile and of a patch in pixels, hidden size, inner size, heads, shuffle, the decoder's hidden size.
using Sizes = std::tuple<int, int, int, int, int, int, int>;

template <typename Array>
std::vector<float> copy_of(const Array& array) {
  return {array.data(), array.data() + array.size()};
}

LayerNorm norm_of(const NormParts& parts) { return {copy_of(parts.first), copy_of(parts.second)}; }

Affine affine_of(const AffineParts& parts) { return {parts.first, copy_of(parts.second)}; }

VisionLayer layer_of(const LayerParts& parts) {
  const auto& [attention_norm, qkv, output, mlp_norm, up, down] = parts;
  return {norm_of(attention_norm), affine_of(qkv), affine_of(output), norm_of(mlp_norm), affine_of(up),
          affine_of(down)};
}

void make_tower(VisionTower* to, const Sizes& sizes, float eps, const AffineParts& patch, const In<float, 2>& places,
                const std::vector<LayerParts>& layers, const NormParts& norm, const Matrix& projection, int threads,
                const std::string& level) {
  const auto [image_size, patch_size, hidden, inner, heads, shuffle, text_hidden] = sizes;
  VisionModel model{image_size,       patch_size,      hidden, inner,         heads,     shuffle, text_hidden, eps,
                    affine_of(patch), copy_of(places), {},     norm_of(norm), projection};
  for (const LayerParts& layer : layers) model.layers.push_back(layer_of(layer));
  new (to) VisionTower(std::move(model), level_named(level), threads);
}

Out<float, 3> encode(VisionTower& tower, const In<float, 4>& tiles) {
  const VisionModel& model = tower.model();
  const size_t edge = static_cast<size_t>(model.image_size);
  if (tiles.shape(1) != 3 || tiles.shape(2) != edge || tiles.shape(3) != edge) {
    throw std::invalid_argument("Tiles must be [tiles, 3, " + std::to_string(edge) + ", " + std::to_string(edge) +
                                "]; these are [" + std::to_string(tiles.shape(0)) + ", " +
                                std::to_string(tiles.shape(1)) + ", " + std::to_string(tiles.shape(2)) + ", " +
                                std::to_string(tiles.shape(3)) + "].");
  }
  const auto rows = new_array<float, 3>({tiles.shape(0), static_cast<size_t>(model.rows_per_tile()),
                                         static_cast<size_t>(model.text_hidden)});
  const int count = extent(tiles.shape(0), "`tiles`");
  nb::gil_scoped_release release;
  tower.encode(tiles.data(), count, rows.data());
  return rows;
}

std::vector<double> seconds_of(const VisionTower& tower) { return {tower.seconds(), tower.seconds() + kWorks}; }

}  // namespace

void bind_vision(nb::module_& module) {
  nb::class_<VisionTower>(module, "VisionTower")
      .def("__init__", &make_tower, nb::arg("sizes"), nb::arg("eps"), nb::arg("patch"), nb::arg("places").noconvert(),
           nb::arg("layers"), nb::arg("norm"), nb::arg("projection"), nb::arg("threads"), nb::arg("level"))
      .def_prop_ro("level", &VisionTower::level)
      .def_prop_ro("threads", &VisionTower::threads)
      .def_prop_ro("seconds", &seconds_of)
      .def("encode", &encode, nb::arg("tiles").noconvert())
      .def("close", &VisionTower::close, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace seatrial
