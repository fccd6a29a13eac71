// Prints which levels the machine can run, then runs products and small decoders at the best of them that is not
// generic, or the one named, over fixed random numbers and prints a hash of every result's bits. Levels with fused
// multiply-add print the same lines on every machine. Linked with the extension's own sources, Python's binding apart.

#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "decoder.h"
#include "dispatch.h"
#include "packing.h"

namespace {

using namespace seatrial;

using Floats = std::vector<float>;
std::mt19937 draw(1);

int below(int limit) { return static_cast<int>(draw() % static_cast<unsigned>(limit)); }

Floats random_floats(int size, float largest) {
  Floats numbers(static_cast<size_t>(size));
  for (float& number : numbers) number = largest * static_cast<float>(below(20001) - 10000) / 10000;
  return numbers;
}

void print_hash(const std::string& what, const float* numbers, size_t count) {
  uint64_t hash = 1469598103934665603u;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, numbers + i, sizeof bits);
    hash = (hash ^ bits) * 1099511628211u;
  }
  std::printf("%s %016llx\n", what.c_str(), static_cast<unsigned long long>(hash));
}

Matrix random_matrix(int rows, int columns, Format format) {
  const Floats values = random_floats(rows * columns, 0.2f);
  const std::vector<Part> parts{{Source::f32, rows, reinterpret_cast<const uint8_t*>(values.data())}};
  return std::make_shared<PackedMatrix>(parts, columns, format);
}

void multiply(const Kernels& kernels, Format format, int rows, int columns, int tokens) {
  const Matrix matrix = random_matrix(rows, columns, format);
  const Floats x = random_floats(tokens * columns, 3);
  const size_t numbers = x.size();
  std::vector<int8_t> codes(numbers);
  Floats scales(numbers / kGroup), sums(scales), y(static_cast<size_t>(tokens * rows));
  const Activations inputs{tokens, columns, codes.data(), scales.data(), sums.data(), x.data()};
  kernels.quantise(x.data(), columns, inputs, 0, tokens);
  kernels.matmul(matrix->weight(), 0, matrix->weight().panels(), inputs, y.data(), rows);
  print_hash("product", y.data(), y.size());
}

// Two layers without rotation, whose cosines would come from each system's own library.
Model random_model(Format format) {
  constexpr int kVocab = 90, kHidden = 96, kInner = 160, kHeads = 6, kKvHeads = 2, kHeadDim = 16;
  const Matrix embedding = random_matrix(kVocab, kHidden, format);
  Model model{kVocab,    kHidden, kInner, kHeads, kKvHeads, kHeadDim, 1e-5f, 1, Floats(kHeadDim / 2),
              embedding, {},      {},     embedding};
  for (int layer = 0; layer < 2; ++layer) {
    const Floats norms[2] = {random_floats(kHidden, 1), random_floats(kHidden, 1)};
    model.layers.push_back({norms[0], random_matrix((kHeads + 2 * kKvHeads) * kHeadDim, kHidden, format),
                            random_matrix(kHidden, kHeads * kHeadDim, format), norms[1],
                            random_matrix(2 * kInner, kHidden, format), random_matrix(kHidden, kInner, format), false});
  }
  model.norm = random_floats(kHidden, 1);
  return model;
}

// Scores of every token of one sequence, computed `chunk` tokens at a time.
Floats scores_of(Decoder& decoder, const std::vector<int32_t>& ids, int chunk) {
  const int tokens = static_cast<int>(ids.size()), blocks = (tokens + kBlockTokens - 1) / kBlockTokens;
  std::vector<int32_t> places(ids.size()), table;
  for (int i = 0; i < tokens; ++i) places[static_cast<size_t>(i)] = i;
  for (int b = 0; b < blocks; ++b) table.push_back(blocks - 1 - b);
  Floats all;
  for (int first = 0; first < tokens; first += chunk) {
    const int count = first + chunk < tokens ? chunk : tokens - first;
    const int32_t starts[] = {0, count};
    const auto scores = decoder.forward(
        {count, 1, blocks, count, ids.data() + first, places.data() + first, starts, table.data(), places.data()});
    const float* rows = reinterpret_cast<const float*>(scores->data());
    all.insert(all.end(), rows, rows + count * decoder.model().vocab_size);
  }
  return all;
}

void decode(const Kernels& kernels, Format format, CacheFormat cache) {
  constexpr int kTokens = 150;
  Decoder decoder(random_model(format), kernels, 2);
  decoder.allocate((kTokens + kBlockTokens - 1) / kBlockTokens, cache);
  std::vector<int32_t> ids;
  for (int i = 0; i < kTokens; ++i) ids.push_back(below(decoder.model().vocab_size));
  for (const int chunk : {kTokens, 37, 1}) {
    const Floats scores = scores_of(decoder, ids, chunk);
    print_hash("scores", scores.data(), scores.size());
  }
}

}  // namespace

int main(int count, char** arguments) {
  std::printf("levels");
  for (const Kernels* level : runnable_levels()) std::printf(" %s", level->name);
  std::printf("\n");
  const Kernels& kernels = level_named(count > 1 ? arguments[1] : "");
  if (&kernels == generic_kernels()) return 0;
  for (const Format format : {Format::q4_0, Format::q4_1, Format::q8_0, Format::bf16}) {
    for (const int tokens : {1, 2, 3, 4, 5, 7, 64, 131}) multiply(kernels, format, 75, 32 * (1 + below(9)), tokens);
    for (const CacheFormat cache : {CacheFormat::bf16, CacheFormat::int8}) decode(kernels, format, cache);
  }
}
