#include "dispatch.h"

#include <cstdint>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace seatrial {
namespace {

#if defined(__x86_64__)

struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d) == 0) return Registers{};
  return r;
}

constexpr bool has(uint32_t word, int bit) { return (word >> bit & 1) != 0; }

// Which register files the system saves: bits 1 and 2 XMM and YMM, 5 to 7 the AVX-512 ones, 17 and 18 the AMX tiles.
uint64_t saved_states() {
  if (!has(cpuid(1, 0).c, 27)) return 0;  // OSXSAVE
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

bool runs_avx2() {
  const uint32_t base = cpuid(1, 0).c;
  return (saved_states() & 0x6) == 0x6 && has(base, 28) && has(base, 12) && has(base, 29)  // AVX, FMA, F16C
         && has(cpuid(7, 0).b, 5);
}

bool runs_avx512() {
  const Registers extended = cpuid(7, 0);
  return runs_avx2() && (saved_states() & 0xe6) == 0xe6 && has(extended.b, 16) && has(extended.b, 17)  // F, DQ
         && has(extended.b, 30) && has(extended.b, 31) && has(extended.c, 11);                         // BW, VL, VNNI
}

// Linux gives a process the tiles only when it asks for them (Documentation/arch/x86/xstate.rst).
bool tiles_granted() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool runs_amx() {
  const uint32_t features = cpuid(7, 0).d;
  return runs_avx512() && has(cpuid(7, 1).a, 5) && (saved_states() & 0x60000) == 0x60000  // AVX-512's BF16
         && has(features, 22) && has(features, 24) && has(features, 25)                   // BF16, tiles, INT8
         && tiles_granted();
}

#elif defined(__aarch64__)

#if defined(__linux__)

bool runs_neon() {
  const unsigned long features = getauxval(AT_HWCAP);
  return (features >> 20 & 1) != 0 && (features >> 10 & 1) != 0;  // ASIMDDP dot products, ASIMDHP half arithmetic
}

#elif defined(__APPLE__)

// Whether the system names a feature and says 1. Names of this form came with macOS 12; the one machine before that,
// the M1, has both features.
bool has(const char* feature) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(feature, &value, &size, nullptr, 0) != 0 || value != 0;
}

bool runs_neon() { return has("hw.optional.arm.FEAT_DotProd") && has("hw.optional.arm.FEAT_FP16"); }

#else

bool runs_neon() { return false; }  // nobody to ask

#endif

#endif

using Table = const Kernels* (*)();

struct Level {
  const char* name;
  Table table;  // null: not compiled in
  bool (*runs)();
};

#if defined(SEATRIAL_HAS_AMX)
constexpr Table kAmx = amx_kernels;
#else
constexpr Table kAmx = nullptr;
#endif
#if defined(SEATRIAL_HAS_AVX512)
constexpr Table kAvx512 = avx512_kernels;
#else
constexpr Table kAvx512 = nullptr;
#endif
#if defined(SEATRIAL_HAS_AVX2)
constexpr Table kAvx2 = avx2_kernels;
#else
constexpr Table kAvx2 = nullptr;
#endif
#if defined(SEATRIAL_HAS_NEON)
constexpr Table kNeon = neon_kernels;
#else
constexpr Table kNeon = nullptr;
#endif

bool never() { return false; }
bool always() { return true; }

// Best first.
const Level kLevels[] = {
#if defined(__x86_64__)
    {"amx", kAmx, runs_amx},   {"avx512", kAvx512, runs_avx512}, {"avx2", kAvx2, runs_avx2},
    {"neon", kNeon, never},
#elif defined(__aarch64__)
    {"amx", kAmx, never},      {"avx512", kAvx512, never},       {"avx2", kAvx2, never},
    {"neon", kNeon, runs_neon},
#else
    {"amx", kAmx, never},      {"avx512", kAvx512, never},       {"avx2", kAvx2, never},
    {"neon", kNeon, never},
#endif
    {"generic", generic_kernels, always},
};

std::vector<const Kernels*> find_levels() {
  std::vector<const Kernels*> found;
  for (const Level& level : kLevels) {
    if (level.table == nullptr || !level.runs()) continue;
    if (const Kernels* table = level.table()) found.push_back(table);
  }
  return found;
}

std::string why_not(const std::string& name) {
  for (const Level& level : kLevels) {
    if (name != level.name) continue;
    return level.table == nullptr ? "was not built here" : "is not one this machine can run";
  }
  return "is unknown";
}

}  // namespace

const std::vector<const Kernels*>& runnable_levels() {
  static const std::vector<const Kernels*> levels = find_levels();
  return levels;
}

const Kernels& level_named(const std::string& name) {
  std::string possible;
  for (const Kernels* kernels : runnable_levels()) {
    if (name.empty() || name == kernels->name) return *kernels;
    possible += (possible.empty() ? "`" : ", `") + std::string(kernels->name) + "`";
  }
  throw std::invalid_argument("Kernel level `" + name + "` " + why_not(name) + "; possible here: " + possible + ".");
}

}  // namespace seatrial
