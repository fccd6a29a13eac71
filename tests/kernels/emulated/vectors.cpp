// Runs attention and the small operations at one vector width over fixed random inputs and prints a hash of every
// result's bits, a line each: the lines must be the same at every width.

#include "vectors.h"

#define SEATRIAL_LEVEL tested
#include "attention_simd.h"
#include "small_simd.h"

#include <cstdio>
#include <random>
#include <vector>

namespace {

using namespace seatrial;

static_assert(tested::kLanes == WIDTH);
using Floats = std::vector<float>;
std::mt19937 draw(1);

int below(int limit) { return static_cast<int>(draw() % static_cast<unsigned>(limit)); }

void fill(Floats& numbers, float size) {
  for (float& number : numbers) number = size * static_cast<float>(below(20001) - 10000) / 10000;
}

void print_hash(const char* what, const Floats& numbers) {
  uint64_t hash = 1469598103934665603u;
  for (float number : numbers) {
    uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    hash = (hash ^ bits) * 1099511628211u;
  }
  std::printf("%s %016llx\n", what, static_cast<unsigned long long>(hash));
}

// Runs of tokens of up to five sequences that have some blocks in common.
struct Pass {
  static constexpr int kWidth = 50;
  std::vector<int32_t> positions, sequences, tables;
  int num_blocks = kWidth;

  Pass() {
    const int count = 1 + below(5);
    for (int sequence = 0; sequence < count; ++sequence) {
      const int start = below(700), tokens = below(3) ? 1 + below(4) : 1 + below(40), common = below(kWidth);
      for (int token = 0; token < tokens; ++token) {
        positions.push_back(start + token);
        sequences.push_back(sequence);
      }
      for (int b = 0; b < kWidth; ++b) tables.push_back(b < common ? b : num_blocks++);
    }
  }
};

void attend(CacheFormat format, int heads, int group, int head_dim) {
  const Pass pass;
  const size_t positions = static_cast<size_t>(pass.num_blocks * heads * kBlockTokens);
  std::vector<uint16_t> keys(positions * static_cast<size_t>(head_dim)), values(keys);
  Floats key_scales(positions), value_scales(positions);
  const LayerCache cache{format, heads, head_dim, keys.data(), values.data(), key_scales.data(), value_scales.data()};
  Floats key(static_cast<size_t>(heads * head_dim)), value(key);
  for (int place = 0; place < pass.num_blocks * kBlockTokens; ++place) {
    fill(key, 2);
    fill(value, 2);
    tested::store_kv(cache, place / kBlockTokens, place % kBlockTokens, key.data(), value.data());
  }
  Floats q(pass.positions.size() * static_cast<size_t>(heads * group * head_dim)), out(q);
  fill(q, 2);
  Queries queries{static_cast<int>(pass.positions.size()), heads * group,         q.data(),           out.data(),
                  pass.positions.data(),                   pass.sequences.data(), pass.tables.data(), Pass::kWidth};
  std::vector<uint8_t> shared(tested::attend_shared(cache, queries) + 64);
  queries.shared = shared.data() + (64 - reinterpret_cast<uintptr_t>(shared.data()) % 64);
  Floats scratch(tested::attend_scratch(cache, queries));
  const int tasks = tested::attend_tasks(cache, queries);
  for (int task = 0; task < tasks; ++task) tested::attend(cache, queries, task, scratch.data());
  print_hash(format == CacheFormat::bf16 ? "attend bf16" : "attend int8", out);
}

void small_operations(size_t size) {
  Floats x(2 * size), weight(size), y(size);
  fill(x, 40);
  fill(weight, 1);
  tested::rms_norm(x.data(), weight.data(), static_cast<int>(size), 1e-5f, y.data());
  print_hash("rms_norm", y);
  tested::silu_mul(x.data(), static_cast<int>(size), y.data());
  print_hash("silu_mul", y);
  Floats bias(size);
  fill(bias, 2);
  tested::layer_norm(x.data(), weight.data(), bias.data(), static_cast<int>(size), 1e-6f, y.data());
  print_hash("layer_norm", y);
  tested::gelu(x.data(), bias.data(), static_cast<int>(size), y.data());
  print_hash("gelu", y);
}

void rotate(int head_dim) {
  Floats x(static_cast<size_t>(3 * head_dim)), cosines(static_cast<size_t>(head_dim / 2)), sines(cosines);
  fill(x, 2);
  fill(cosines, 1);
  fill(sines, 1);
  tested::rope(x.data(), 3, head_dim, cosines.data(), sines.data());
  print_hash("rope", x);
}

}  // namespace

int main() {
  for (const CacheFormat format : {CacheFormat::bf16, CacheFormat::int8})
    for (int head_dim = 16; head_dim <= 128; head_dim += 16) {
      const int heads = 1 + below(3), group = 1 + below(8);  // in this order on every processor
      attend(format, heads, group, head_dim);
    }
  for (const size_t size : {1, 7, 16, 48, 576, 700}) small_operations(size);
  for (int head_dim = 16; head_dim <= 128; head_dim += 16) rotate(head_dim);
}
