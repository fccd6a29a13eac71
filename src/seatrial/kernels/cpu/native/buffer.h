// Zeroed memory on a cache line's border. The system hands out its pages when they are first touched.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace seatrial {

class Buffer {
 public:
  Buffer() = default;
  // `dense`: all of it will be used, so pages of 2 MB are welcome. Throws std::bad_alloc.
  explicit Buffer(size_t bytes, bool dense = false) : bytes_(bytes) {
    const size_t border = dense && bytes >= 2 * kHugePage ? kHugePage : kLine;
    if (bytes > SIZE_MAX - border) throw std::bad_alloc();
    raw_ = std::calloc(bytes + border, 1);
    if (raw_ == nullptr) throw std::bad_alloc();
    const uintptr_t address = reinterpret_cast<uintptr_t>(raw_);
    data_ = static_cast<uint8_t*>(raw_) + (border - address % border) % border;
#ifdef __linux__
    if (border == kHugePage) madvise(data_, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(raw_); }

  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kLine = 64, kHugePage = size_t{1} << 21;
  void* raw_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace seatrial
