// Packed matrices and the decoder, as Python sees them. Everything from outside is checked here or in what it calls.

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <tuple>

#include "binding.h"
#include "decoder.h"
#include "dispatch.h"
#include "packing.h"

namespace seatrial {
namespace {

using AnyArray = nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

Part part_of(const std::string& kind, const AnyArray& array, int columns) {
  constexpr const char* kKinds[] = {"Q4_0", "Q4_1", "Q8_0", "F32"};
  int source = 0;
  while (source < 4 && kind != kKinds[source]) ++source;
  if (source == 4) {
    throw std::invalid_argument("Parts of kind `" + kind + "` are unknown; known: `Q4_0`, `Q4_1`, `Q8_0`, `F32`.");
  }
  const bool floats = kKinds[source] == std::string("F32");
  if (array.dtype() != (floats ? nb::dtype<float>() : nb::dtype<uint8_t>())) {
    throw std::invalid_argument("A part of kind `" + kind + "` must be of " + (floats ? "float32." : "uint8."));
  }
  const size_t width = source_row_bytes(static_cast<Source>(source), columns) / (floats ? sizeof(float) : 1);
  if (array.shape(1) != width) {
    throw std::invalid_argument("A part of kind `" + kind + "` has rows of " + std::to_string(array.shape(1)) +
                                " entries; " + std::to_string(columns) + " columns take " + std::to_string(width) +
                                ".");
  }
  return Part{static_cast<Source>(source), extent(array.shape(0), "A part"),
              static_cast<const uint8_t*>(array.data())};
}

Matrix pack(const std::vector<std::pair<std::string, AnyArray>>& arrays, int columns, const std::string& format) {
  const Format to = format_named(format);
  if (columns < kGroup || columns % kGroup != 0) {
    throw std::invalid_argument("A packed matrix needs a multiple of 32 columns; this one has " +
                                std::to_string(columns) + ".");
  }
  std::vector<Part> parts;
  for (const auto& [kind, array] : arrays) parts.push_back(part_of(kind, array, columns));
  nb::gil_scoped_release release;
  return std::make_shared<const PackedMatrix>(parts, columns, to);
}

Out<float, 2> dequantise(const Matrix& matrix) {
  const Weight& weight = matrix->weight();
  const size_t rows = static_cast<size_t>(weight.rows), columns = static_cast<size_t>(weight.columns);
  const auto array = new_array<float, 2>({rows, columns});
  nb::gil_scoped_release release;
  for (int row = 0; row < weight.rows; ++row) {
    dequantise_row(weight, row, array.data() + static_cast<size_t>(row) * columns);
  }
  return array;
}

// The bytes as they lie in memory, [panels, groups, bytes of a group].
Out<const uint8_t, 3> packed_bytes(const Matrix& matrix) {
  const Weight& w = matrix->weight();
  const size_t shape[3] = {static_cast<size_t>(w.panels()), static_cast<size_t>(w.groups()), w.group_bytes()};
  return array_over<const uint8_t, 3>(w.data, shape, matrix);
}

std::vector<float> copy_of(const In<float, 1>& array) { return {array.data(), array.data() + array.shape(0)}; }

using LayerParts = std::tuple<In<float, 1>, Matrix, Matrix, In<float, 1>, Matrix, Matrix>;
// vocabulary, hidden size, inner size, heads, key-value heads, head size
using Sizes = std::tuple<int, int, int, int, int, int>;

Layer layer_of(const LayerParts& parts, bool rotates) {
  const auto& [attention_norm, qkv, output, mlp_norm, gate_up, down] = parts;
  return Layer{copy_of(attention_norm), qkv, output, copy_of(mlp_norm), gate_up, down, rotates};
}

void make_decoder(Decoder* to, const Sizes& sizes, float eps, float rope_scale, const In<float, 1>& frequencies,
                  const Matrix& embedding, const std::vector<LayerParts>& layers, const std::vector<bool>& rope_layers,
                  const In<float, 1>& norm, const Matrix& output, int threads, const std::string& level) {
  if (layers.size() != rope_layers.size()) {
    throw std::invalid_argument(std::to_string(layers.size()) + " layers came with " +
                                std::to_string(rope_layers.size()) + " entries of `rope_layers`.");
  }
  const auto [vocab_size, hidden, inner, heads, kv_heads, head_dim] = sizes;
  Model model{vocab_size, hidden, inner, heads, kv_heads, head_dim, eps, rope_scale,
              copy_of(frequencies), embedding, {}, copy_of(norm), output};
  for (size_t index = 0; index < layers.size(); ++index) {
    model.layers.push_back(layer_of(layers[index], rope_layers[index]));
  }
  new (to) Decoder(std::move(model), level_named(level), threads);
}

Step step_of(const In<int32_t, 1>& tokens, const In<int32_t, 1>& positions, const In<int32_t, 1>& starts,
             const In<int32_t, 2>& tables, const In<int32_t, 1>& rows) {
  if (positions.shape(0) != tokens.shape(0)) {
    throw std::invalid_argument(std::to_string(tokens.shape(0)) + " tokens came with " +
                                std::to_string(positions.shape(0)) + " positions.");
  }
  if (starts.shape(0) != tables.shape(0) + 1) {
    throw std::invalid_argument("`starts` has " + std::to_string(starts.shape(0)) + " entries; the " +
                                std::to_string(tables.shape(0)) + " rows of `tables` take one more than that.");
  }
  return Step{extent(tokens.shape(0), "`tokens`"), extent(tables.shape(0), "`tables`"),
              extent(tables.shape(1), "`tables`"), extent(rows.shape(0), "`rows`"),
              tokens.data(),                       positions.data(),
              starts.data(),                       tables.data(),
              rows.data()};
}

using Places = std::optional<In<int32_t, 1>>;
using Embeddings = std::optional<In<float, 2>>;

// Both or none.
void give(Step& step, const Places& places, const Embeddings& embeddings, int hidden) {
  const size_t num_places = places ? places->shape(0) : 0, num_rows = embeddings ? embeddings->shape(0) : 0;
  if (num_places != num_rows) {
    throw std::invalid_argument(std::to_string(num_places) + " entries of `places` came with " +
                                std::to_string(num_rows) + " rows of `embeddings`.");
  }
  if (num_places == 0) return;
  if (embeddings->shape(1) != static_cast<size_t>(hidden)) {
    throw std::invalid_argument("`embeddings` has rows of " + std::to_string(embeddings->shape(1)) +
                                " numbers; the model has " + std::to_string(hidden) + ".");
  }
  step.given = extent(num_places, "`places`");
  step.places = places->data();
  step.embeddings = embeddings->data();
}

template <Result result>
Out<float, 2> forward(Decoder& decoder, const In<int32_t, 1>& tokens, const In<int32_t, 1>& positions,
                      const In<int32_t, 1>& starts, const In<int32_t, 2>& tables, const In<int32_t, 1>& rows,
                      const Places& places, const Embeddings& embeddings) {
  Step step = step_of(tokens, positions, starts, tables, rows);
  step.result = result;
  give(step, places, embeddings, decoder.model().hidden);
  std::shared_ptr<Buffer> found;
  {
    nb::gil_scoped_release release;
    found = decoder.forward(step);
  }
  float* data = reinterpret_cast<float*>(found->data());
  const size_t shape[2] = {static_cast<size_t>(step.rows), static_cast<size_t>(decoder.result_width(step))};
  return array_over<float, 2>(data, shape, std::move(found));
}

}  // namespace

void bind_decoder(nb::module_& module) {
  nb::class_<PackedMatrix>(module, "PackedWeight")
      .def_prop_ro("rows", [](const PackedMatrix& m) { return m.weight().rows; })
      .def_prop_ro("columns", [](const PackedMatrix& m) { return m.weight().columns; })
      .def_prop_ro("format", [](const PackedMatrix& m) { return name_of(m.weight().format); })
      .def_prop_ro("num_bytes", [](const PackedMatrix& m) { return m.weight().bytes(); });
  module.def("pack", &pack, nb::arg("parts"), nb::arg("columns"), nb::arg("format"));
  module.def("dequantise", &dequantise, nb::arg("weight"));
  module.def("packed_bytes", &packed_bytes, nb::arg("weight"));
  nb::class_<Decoder>(module, "Decoder")
      .def("__init__", &make_decoder, nb::arg("sizes"), nb::arg("eps"), nb::arg("rope_scale"),
           nb::arg("frequencies").noconvert(), nb::arg("embedding"), nb::arg("layers"), nb::arg("rope_layers"),
           nb::arg("norm").noconvert(), nb::arg("output"), nb::arg("threads"), nb::arg("level"))
      .def_prop_ro("level", &Decoder::level)
      .def_prop_ro("threads", &Decoder::threads)
      .def("block_bytes",
           [](const Decoder& d, const std::string& cache) { return d.block_bytes(cache_format_named(cache)); })
      .def("allocate",
           [](Decoder& d, int num_blocks, const std::string& cache) {
             d.allocate(num_blocks, cache_format_named(cache));
           },
           nb::call_guard<nb::gil_scoped_release>())
      .def("forward", &forward<Result::scores>, nb::arg("tokens").noconvert(), nb::arg("positions").noconvert(),
           nb::arg("starts").noconvert(), nb::arg("tables").noconvert(), nb::arg("rows").noconvert(),
           nb::arg("places").noconvert() = nb::none(), nb::arg("embeddings").noconvert() = nb::none())
      .def("hidden", &forward<Result::hidden>, nb::arg("tokens").noconvert(), nb::arg("positions").noconvert(),
           nb::arg("starts").noconvert(), nb::arg("tables").noconvert(), nb::arg("rows").noconvert(),
           nb::arg("places").noconvert() = nb::none(), nb::arg("embeddings").noconvert() = nb::none())
      .def("close", &Decoder::close, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace seatrial
