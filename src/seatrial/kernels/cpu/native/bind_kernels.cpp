// Single kernels of a named level on arrays, for tests and benchmarks.

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "binding.h"
#include "dispatch.h"
#include "packing.h"
#include "threads.h"

namespace seatrial {
namespace {

using Matrix = std::shared_ptr<const PackedMatrix>;

void refuse(const std::string& what) { throw std::invalid_argument(what); }

void expect(bool sound, const char* what) {
  if (!sound) refuse(what);
}

// Quantised inputs that own their memory.
struct Inputs {
  Inputs(const Kernels& kernels, const float* x, int tokens, int columns) {
    const size_t numbers = static_cast<size_t>(tokens) * static_cast<size_t>(columns);
    codes = Buffer(numbers);
    scales = Buffer(numbers / kGroup * sizeof(float));
    sums = Buffer(numbers / kGroup * sizeof(float));
    activations = Activations{tokens,
                              columns,
                              reinterpret_cast<int8_t*>(codes.data()),
                              reinterpret_cast<float*>(scales.data()),
                              reinterpret_cast<float*>(sums.data()),
                              x};
    kernels.quantise(x, columns, activations, 0, tokens);
  }
  Buffer codes, scales, sums;
  Activations activations;
};

using Quantised = std::tuple<Out<int8_t, 3>, Out<float, 2>, Out<float, 2>>;

Quantised quantise(const std::string& level, const In<float, 2>& x) {
  const Kernels& kernels = level_named(level);
  const int tokens = extent(x.shape(0), "`x`"), columns = extent(x.shape(1), "`x`");
  expect(columns % kGroup == 0 && columns > 0, "`x` needs a multiple of 32 columns.");
  auto inputs = std::make_shared<Inputs>(kernels, x.data(), tokens, columns);
  const Activations& a = inputs->activations;
  const size_t groups = static_cast<size_t>(columns / kGroup), count = static_cast<size_t>(tokens);
  return {array_over<int8_t, 3>(a.codes, {groups, count, kGroup}, inputs),
          array_over<float, 2>(a.scales, {groups, count}, inputs),
          array_over<float, 2>(a.sums, {groups, count}, inputs)};
}

Out<float, 2> matmul(const std::string& level, const Matrix& matrix, const In<float, 2>& x) {
  const Kernels& kernels = level_named(level);
  const Weight& weight = matrix->weight();
  if (x.shape(1) != static_cast<size_t>(weight.columns)) {
    refuse("`x` has rows of " + std::to_string(x.shape(1)) + "; the weight takes " + std::to_string(weight.columns) +
           ".");
  }
  const int tokens = extent(x.shape(0), "`x`");
  const auto y = new_array<float, 2>({x.shape(0), static_cast<size_t>(weight.rows)});
  nb::gil_scoped_release release;
  const Inputs inputs(kernels, x.data(), tokens, weight.columns);
  kernels.matmul(weight, 0, weight.panels(), inputs.activations, y.data(), weight.rows);
  return y;
}

Out<float, 1> rms_norm(const std::string& level, const In<float, 1>& x, const In<float, 1>& weight, float eps) {
  const Kernels& kernels = level_named(level);
  expect(x.shape(0) == weight.shape(0), "`x` and `weight` differ in length.");
  const auto y = new_array<float, 1>({x.shape(0)});
  kernels.rms_norm(x.data(), weight.data(), extent(x.shape(0), "`x`"), eps, y.data());
  return y;
}

Out<float, 1> layer_norm(const std::string& level, const In<float, 1>& x, const In<float, 1>& weight,
                          const In<float, 1>& bias, float eps) {
  const Kernels& kernels = level_named(level);
  expect(x.shape(0) == weight.shape(0) && x.shape(0) == bias.shape(0), "`x`, `weight` and `bias` differ in length.");
  const auto y = new_array<float, 1>({x.shape(0)});
  kernels.layer_norm(x.data(), weight.data(), bias.data(), extent(x.shape(0), "`x`"), eps, y.data());
  return y;
}

Out<float, 1> gelu(const std::string& level, const In<float, 1>& x, const In<float, 1>& bias) {
  const Kernels& kernels = level_named(level);
  expect(x.shape(0) == bias.shape(0), "`x` and `bias` differ in length.");
  const auto out = new_array<float, 1>({x.shape(0)});
  kernels.gelu(x.data(), bias.data(), extent(x.shape(0), "`x`"), out.data());
  return out;
}

Out<float, 1> silu_mul(const std::string& level, const In<float, 1>& gate_up) {
  const Kernels& kernels = level_named(level);
  expect(gate_up.shape(0) % 2 == 0, "`gate_up` holds as many gates as ups.");
  const auto out = new_array<float, 1>({gate_up.shape(0) / 2});
  kernels.silu_mul(gate_up.data(), extent(gate_up.shape(0) / 2, "`gate_up`"), out.data());
  return out;
}

Out<float, 2> rope(const std::string& level, const In<float, 2>& heads, const In<float, 1>& cosines,
                   const In<float, 1>& sines) {
  const Kernels& kernels = level_named(level);
  expect(heads.shape(1) % 16 == 0 && cosines.shape(0) * 2 == heads.shape(1) && sines.shape(0) * 2 == heads.shape(1),
         "A head is a multiple of 16 long; cosines and sines are half as long as a head.");
  const auto y = new_array<float, 2>({heads.shape(0), heads.shape(1)});
  std::copy(heads.data(), heads.data() + heads.size(), y.data());
  kernels.rope(y.data(), extent(heads.shape(0), "`heads`"), extent(heads.shape(1), "`heads`"), cosines.data(),
               sines.data());
  return y;
}

// The paged cache of one layer.
class LayerStore {
 public:
  LayerStore(const std::string& level, int num_blocks, int heads, int head_dim, const std::string& format, int fill)
      : kernels_(level_named(level)), num_blocks_(num_blocks) {
    expect(num_blocks > 0 && heads > 0 && head_dim > 0 && head_dim % 16 == 0 && head_dim <= 1024,
           "A cache needs blocks, heads, and heads of a multiple of 16 up to 1,024.");
    const size_t positions = static_cast<size_t>(num_blocks) * static_cast<size_t>(heads) * kBlockTokens;
    const size_t numbers = positions * static_cast<size_t>(head_dim);
    for (Buffer* store : {&keys_, &values_}) *store = Buffer(numbers * 2);
    for (Buffer* scales : {&key_scales_, &value_scales_}) *scales = Buffer(positions * sizeof(float));
    for (Buffer* part : {&keys_, &values_, &key_scales_, &value_scales_}) {
      std::fill(part->data(), part->data() + part->bytes(), static_cast<uint8_t>(fill));
    }
    cache_ = LayerCache{cache_format_named(format),
                        heads,
                        head_dim,
                        keys_.data(),
                        values_.data(),
                        reinterpret_cast<float*>(key_scales_.data()),
                        reinterpret_cast<float*>(value_scales_.data())};
  }

  void store(const In<float, 3>& keys, const In<float, 3>& values, const In<int32_t, 1>& blocks,
             const In<int32_t, 1>& slots) {
    for (const auto* array : {&keys, &values}) {
      expect(array->shape(0) == blocks.shape(0) && array->shape(1) == static_cast<size_t>(cache_.heads) &&
                 array->shape(2) == static_cast<size_t>(cache_.head_dim),
             "`keys` and `values` must be [tokens, heads, head size].");
    }
    expect(blocks.shape(0) == slots.shape(0), "`blocks` and `slots` differ in length.");
    const size_t row = keys.shape(1) * keys.shape(2);
    for (size_t token = 0; token < blocks.shape(0); ++token) {
      const int block = blocks.data()[token], slot = slots.data()[token];
      expect(block >= 0 && block < num_blocks_ && slot >= 0 && slot < kBlockTokens, "A block or slot is out of range.");
      kernels_.store_kv(cache_, block, slot, keys.data() + token * row, values.data() + token * row);
    }
  }

  Out<float, 3> attend(const In<float, 3>& q, const In<int32_t, 1>& positions, const In<int32_t, 1>& sequences,
                       const In<int32_t, 2>& tables) const {
    expect_queries(q, positions, sequences, tables);
    const auto out = new_array<float, 3>({q.shape(0), q.shape(1), q.shape(2)});
    Queries queries{extent(q.shape(0), "`q`"), extent(q.shape(1), "`q`"), q.data(),
                    out.data(),                positions.data(),          sequences.data(),
                    tables.data(),             extent(tables.shape(1), "`tables`")};
    if (queries.tokens == 0) return out;
    nb::gil_scoped_release release;
    const Buffer scratch(kernels_.attend_scratch(cache_, queries) * sizeof(float));
    const Buffer shared(kernels_.attend_shared == nullptr ? 0 : kernels_.attend_shared(cache_, queries));
    queries.shared = shared.data();
    const int tasks = kernels_.attend_tasks(cache_, queries);
    for (int task = 0; task < tasks; ++task) {
      kernels_.attend(cache_, queries, task, reinterpret_cast<float*>(scratch.data()));
    }
    return out;
  }

 private:
  void expect_queries(const In<float, 3>& q, const In<int32_t, 1>& positions, const In<int32_t, 1>& sequences,
                      const In<int32_t, 2>& tables) const {
    expect(q.shape(1) > 0 && q.shape(1) % static_cast<size_t>(cache_.heads) == 0 &&
               q.shape(2) == static_cast<size_t>(cache_.head_dim),
           "`q` must be [tokens, a multiple of the key-value heads, head size].");
    expect(positions.shape(0) == q.shape(0) && sequences.shape(0) == q.shape(0),
           "`positions` and `sequences` need an entry for each token.");
    for (size_t token = 0; token < q.shape(0); ++token) {
      const int32_t position = positions.data()[token], sequence = sequences.data()[token];
      expect(sequence >= 0 && static_cast<size_t>(sequence) < tables.shape(0) && position >= 0 &&
                 static_cast<size_t>(position / kBlockTokens) < tables.shape(1),
             "A position or sequence is outside `tables`.");
      const int32_t* table = tables.data() + static_cast<size_t>(sequence) * tables.shape(1);
      for (int b = 0; b <= position / kBlockTokens; ++b) {
        expect(table[b] >= 0 && table[b] < num_blocks_, "A block is outside the cache.");
      }
    }
  }

  const Kernels& kernels_;
  int num_blocks_;
  Buffer keys_, values_, key_scales_, value_scales_;
  LayerCache cache_;
};

// Bytes that all threads together read from memory in a second: the best of a few passes over one large buffer.
double read_bandwidth(int threads, int megabytes) {
  constexpr int kPasses = 5, kPartBytes = 1 << 18;
  expect(threads >= 1 && threads <= 1024, "`threads` must be from 1 to 1,024.");
  expect(megabytes >= 1 && megabytes <= 1 << 20, "`megabytes` must be from 1 to 1,048,576.");
  nb::gil_scoped_release release;
  const int parts = megabytes * ((1 << 20) / kPartBytes);
  const auto word_of = [](int part) { return static_cast<size_t>(part) * (kPartBytes / sizeof(uint64_t)); };
  const Buffer buffer(static_cast<size_t>(parts) * kPartBytes, true);
  std::fill(buffer.data(), buffer.data() + buffer.bytes(), uint8_t{1});
  Threads pool(threads);
  std::atomic<uint64_t> total{0};
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    pool.run([&](Walk& walk) {
      walk.share(parts, [&](int first, int last) {
        const auto* words = reinterpret_cast<const uint64_t*>(buffer.data());
        uint64_t sum = 0;
        for (size_t i = word_of(first); i < word_of(last); ++i) sum += words[i];
        total += sum;
      });
    });
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(buffer.bytes()) / elapsed.count());
  }
  return total.load() == 0 ? 0 : best;
}

}  // namespace

void bind_kernels(nb::module_& module) {
  module.def("quantise", &quantise, nb::arg("level"), nb::arg("x").noconvert());
  module.def("matmul", &matmul, nb::arg("level"), nb::arg("weight"), nb::arg("x").noconvert());
  module.def("rms_norm", &rms_norm, nb::arg("level"), nb::arg("x").noconvert(), nb::arg("weight").noconvert(),
             nb::arg("eps"));
  module.def("silu_mul", &silu_mul, nb::arg("level"), nb::arg("gate_up").noconvert());
  module.def("layer_norm", &layer_norm, nb::arg("level"), nb::arg("x").noconvert(), nb::arg("weight").noconvert(),
             nb::arg("bias").noconvert(), nb::arg("eps"));
  module.def("gelu", &gelu, nb::arg("level"), nb::arg("x").noconvert(), nb::arg("bias").noconvert());
  module.def("rope", &rope, nb::arg("level"), nb::arg("heads").noconvert(), nb::arg("cosines").noconvert(),
             nb::arg("sines").noconvert());
  nb::class_<LayerStore>(module, "LayerStore")
      .def(nb::init<const std::string&, int, int, int, const std::string&, int>(), nb::arg("level"),
           nb::arg("num_blocks"), nb::arg("heads"), nb::arg("head_dim"), nb::arg("format"), nb::arg("fill"))
      .def("store", &LayerStore::store, nb::arg("keys").noconvert(), nb::arg("values").noconvert(),
           nb::arg("blocks").noconvert(), nb::arg("slots").noconvert())
      .def("attend", &LayerStore::attend, nb::arg("q").noconvert(), nb::arg("positions").noconvert(),
           nb::arg("sequences").noconvert(), nb::arg("tables").noconvert());
  module.def("read_bandwidth", &read_bandwidth, nb::arg("threads"), nb::arg("megabytes"));
}

}  // namespace seatrial
