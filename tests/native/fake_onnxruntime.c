/* A library that looks like ONNX Runtime and is of no use: what a predictor does before and after it loads
   one. BASE: what OrtGetApiBase returns; RECORD is the name of the variable with the file to write to. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct base {
  const void* (*get_api)(uint32_t version);
  const char* (*get_version)(void);
};

static const void* no_api(uint32_t version) {
  (void)version;
  return NULL;
}

static const char* old_version(void) { return "1.2.0"; }

static const struct base old = {no_api, old_version};

const void* OrtGetApiBase(void) {
  (void)old;
  return BASE;
}

__attribute__((constructor)) static void record(void) {
  const char* path = getenv("FAKE_RECORD");
  const char* value = getenv("ORT_DISABLE_TELEMETRY");
  FILE* file = path ? fopen(path, "w") : NULL;
  if (file) {
    fputs(value ? value : "unset", file);
    fclose(file);
  }
}
