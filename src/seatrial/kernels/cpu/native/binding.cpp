#include "binding.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <climits>
#include <stdexcept>

#include "dispatch.h"

namespace seatrial {
namespace {

constexpr const char* kFormats[] = {"q4_0", "q4_1", "q8_0", "bf16"};

std::vector<std::string> level_names() {
  std::vector<std::string> names;
  for (const Kernels* kernels : runnable_levels()) names.emplace_back(kernels->name);
  return names;
}

}  // namespace

Format format_named(const std::string& name) {
  for (int format = 0; format < 4; ++format) {
    if (name == kFormats[format]) return static_cast<Format>(format);
  }
  throw std::invalid_argument("Weight format `" + name + "` is unknown; known: `q4_0`, `q4_1`, `q8_0`, `bf16`.");
}

CacheFormat cache_format_named(const std::string& name) {
  if (name == "bf16") return CacheFormat::bf16;
  if (name == "int8") return CacheFormat::int8;
  throw std::invalid_argument("Cache format `" + name + "` is unknown; known: `bf16`, `int8`.");
}

const char* name_of(Format format) { return kFormats[static_cast<int>(format)]; }

int extent(size_t size, const char* what) {
  if (size <= INT_MAX) return static_cast<int>(size);
  throw std::invalid_argument(std::string(what) + " has " + std::to_string(size) + " entries, more than 2^31 - 1.");
}

}  // namespace seatrial

NB_MODULE(_native, module) {
  module.doc() = "The native decoder and its kernels; `seatrial.kernels.cpu` is the way to it.";
  module.def("levels", &seatrial::level_names);
  module.def("resolve_level",
             [](const std::string& name) { return std::string(seatrial::level_named(name).name); });
  seatrial::bind_decoder(module);
  seatrial::bind_kernels(module);
  seatrial::bind_vision(module);
}
