// What the parts of the Python binding share: array types, and the names of formats.

#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "buffer.h"
#include "kernels.h"

namespace seatrial {

namespace nb = nanobind;

template <typename T, int Dimensions>
using In = nb::ndarray<const T, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

template <typename T, int Dimensions>
using Out = nb::ndarray<nb::numpy, T, nb::ndim<Dimensions>, nb::c_contig>;

// An array over a buffer that it keeps alive.
template <typename T, int Dimensions, typename Holder>
Out<T, Dimensions> array_over(T* data, const size_t (&shape)[Dimensions], Holder holder) {
  auto* kept = new Holder(std::move(holder));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Holder*>(p); });
  return Out<T, Dimensions>(data, Dimensions, shape, owner);
}

// A fresh array of zeros.
template <typename T, int Dimensions>
Out<T, Dimensions> new_array(const size_t (&shape)[Dimensions]) {
  size_t count = 1;
  for (const size_t extent : shape) count *= extent;
  auto buffer = std::make_shared<Buffer>(count * sizeof(T));
  T* data = reinterpret_cast<T*>(buffer->data());
  return array_over<T, Dimensions>(data, shape, std::move(buffer));
}

// Throw std::invalid_argument for an unknown name.
Format format_named(const std::string& name);
CacheFormat cache_format_named(const std::string& name);
const char* name_of(Format format);

// An array's extent as an int. Throws std::invalid_argument for more than 2^31 - 1.
int extent(size_t size, const char* what);

void bind_decoder(nb::module_& module);
void bind_kernels(nb::module_& module);
void bind_vision(nb::module_& module);

}  // namespace seatrial
