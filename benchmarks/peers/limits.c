// What the cores can multiply when nothing else holds them up: operands in registers, many independent sums.
// A multiply-add counts as two operations. Usage: limits THREADS; a line "name operations-per-second" for each kind.
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SUMS 10
#define ROUNDS 4000000L
#define OPAQUE(v) __asm__ volatile("" : "+x"(v))

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

// Each returns the operations it has done.
static double fma_f32(void) {
  __m256 sum[SUMS], a = _mm256_set1_ps(1.0f), b = _mm256_set1_ps(1e-9f);
  for (int i = 0; i < SUMS; i++) sum[i] = _mm256_setzero_ps();
  for (long r = 0; r < ROUNDS; r++)
    for (int i = 0; i < SUMS; i++) {
      sum[i] = _mm256_fmadd_ps(a, b, sum[i]);
      OPAQUE(sum[i]);
    }
  return 2.0 * 8 * SUMS * ROUNDS;
}

// Products of bytes as AVX2 has them: pairs summed in 16 bits, which are added up in 16 bits.
static double maddubs_i8(void) {
  __m256i sum[SUMS], a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(1);
  for (int i = 0; i < SUMS; i++) sum[i] = _mm256_setzero_si256();
  for (long r = 0; r < ROUNDS; r++)
    for (int i = 0; i < SUMS; i++) {
      OPAQUE(a);
      sum[i] = _mm256_add_epi16(sum[i], _mm256_maddubs_epi16(a, b));
      OPAQUE(sum[i]);
    }
  return 2.0 * 32 * SUMS * ROUNDS;
}

// Pairs of 16 bits summed in 32: no sum of such products overflows, as bytes' do.
static double madd_i16(void) {
  __m256i sum[SUMS], a = _mm256_set1_epi16(3), b = _mm256_set1_epi16(1);
  for (int i = 0; i < SUMS; i++) sum[i] = _mm256_setzero_si256();
  for (long r = 0; r < ROUNDS; r++)
    for (int i = 0; i < SUMS; i++) {
      OPAQUE(a);
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(a, b));
      OPAQUE(sum[i]);
    }
  return 2.0 * 16 * SUMS * ROUNDS;
}

#ifdef __AVX512VNNI__
static double vnni_i8(void) {
  __m512i sum[SUMS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(1);
  for (int i = 0; i < SUMS; i++) sum[i] = _mm512_setzero_si512();
  for (long r = 0; r < ROUNDS; r++)
    for (int i = 0; i < SUMS; i++) {
      sum[i] = _mm512_dpbusd_epi32(sum[i], a, b);
      OPAQUE(sum[i]);
    }
  return 2.0 * 64 * SUMS * ROUNDS;
}
#endif

#if defined(__AMX_INT8__) && defined(__AMX_BF16__)
static void open_tiles(void) {
  static uint8_t zeros[1024];
  volatile uint8_t config[64] __attribute__((aligned(64)));
  for (int i = 0; i < 64; i++) config[i] = 0;
  config[0] = 1;
  for (int tile = 0; tile < 8; tile++) {
    config[16 + 2 * tile] = 64;
    config[48 + tile] = 16;
  }
  syscall(SYS_arch_prctl, 0x1023, 18);
  _tile_loadconfig((const void*)config);
  _tile_loadd(4, zeros, 64);
  _tile_loadd(6, zeros, 64);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

static double amx_i8(void) {
  open_tiles();
  for (long r = 0; r < ROUNDS / 16; r++) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 6);
    _tile_dpbusd(2, 4, 6);
    _tile_dpbusd(3, 4, 6);
  }
  _tile_release();
  return 2.0 * 16 * 16 * 64 * 4 * (ROUNDS / 16);
}

static double amx_bf16(void) {
  open_tiles();
  for (long r = 0; r < ROUNDS / 16; r++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 6);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 4, 6);
  }
  _tile_release();
  return 2.0 * 16 * 16 * 32 * 4 * (ROUNDS / 16);
}
#endif

struct kind {
  const char* name;
  double (*run)(void);
};

static void* measure(void* argument) {
  double (*run)(void) = ((struct kind*)argument)->run;
  double* rate = malloc(sizeof *rate);
  *rate = 0;
  run();
  for (int i = 0; i < 5; i++) {
    double start = now(), operations = run(), found = operations / (now() - start);
    if (found > *rate) *rate = found;
  }
  return rate;
}

int main(int count, char** words) {
  int threads = count > 1 ? atoi(words[1]) : 1;
  struct kind kinds[] = {
      {"float32-fma", fma_f32},
      {"int8-maddubs", maddubs_i8},
      {"int16-madd", madd_i16},
#ifdef __AVX512VNNI__
      {"int8-vnni", vnni_i8},
#endif
#if defined(__AMX_INT8__) && defined(__AMX_BF16__)
      {"int8-amx", amx_i8},
      {"bf16-amx", amx_bf16},
#endif
  };
  if (threads < 1 || threads > 256) return 2;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    pthread_t workers[256];
    double total = 0;
    for (int t = 0; t < threads; t++) pthread_create(&workers[t], NULL, measure, &kinds[k]);
    for (int t = 0; t < threads; t++) {
      void* rate;
      pthread_join(workers[t], &rate);
      total += *(double*)rate;
      free(rate);
    }
    printf("%s %.4g\n", kinds[k].name, total);
  }
  return 0;
}
