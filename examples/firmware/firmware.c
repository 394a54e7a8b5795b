/* A device: it decides from sensor frames with the model in its folder, and takes new models as archives.
   README.md of this folder shows it at work; src/main.rs is the same program in Rust. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bundle.h"

enum { HEAD = 8, TAIL = 4, ALIGNMENT = 16, MAX_RANK = 8, PATH_SIZE = 4096 };

static const char MAGIC[4] = {'F', 'R', 'M', '1'};
static const char USAGE[] =
    "usage: firmware DEVICE run [FILE]       decide from the frames of FILE, or of stdin\n"
    "       firmware DEVICE update ARCHIVE   take the model of an archive, from the next start on\n"
    "       firmware DEVICE rollback         go back to the model before\n";

static int failed(void) {
  fprintf(stderr, "%s\n", bundle_last_error()->message);
  return EXIT_FAILURE;
}

static int refused(const char* why) {
  fprintf(stderr, "%s\n", why);
  return EXIT_FAILURE;
}

/* Frames of a sensor out of a stream of bytes that may lie: `FRM1`, the payload's length in bytes (u32), the
   payload, and the CRC-32 of the payload (u32, as in zlib); numbers are little-endian. After a fault the
   reader looks for the next `FRM1`, so one bad frame costs that frame alone. */
typedef struct {
  FILE* stream;
  unsigned char* buffer;
  size_t size;   /* of a whole frame */
  size_t filled; /* bytes of the stream that are in the buffer */
  int lost;      /* nothing but noise since the last fault */
} frames;

static uint32_t number_at(const unsigned char* bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t crc32(const unsigned char* bytes, size_t count) {
  uint32_t sum = UINT32_MAX;
  for (size_t i = 0; i < count; i++) {
    sum ^= bytes[i];
    for (int bit = 0; bit < 8; bit++)
      sum = sum >> 1 ^ (sum & 1 ? UINT32_C(0xedb88320) : 0);
  }
  return ~sum;
}

static int may_begin(const frames* reader, size_t at) {
  const size_t held = reader->filled - at;
  return memcmp(reader->buffer + at, MAGIC, held < sizeof MAGIC ? held : sizeof MAGIC) == 0;
}

/* What is wrong with the frame at the beginning of the buffer; null where it is good. */
static const char* fault_of(const frames* reader) {
  if (!may_begin(reader, 0))
    return "noise";
  const size_t end = reader->size - TAIL;
  if (reader->filled >= HEAD && number_at(reader->buffer + 4) != end - HEAD)
    return "length";
  if (reader->filled < reader->size)
    return "truncated";
  return number_at(reader->buffer + end) == crc32(reader->buffer + HEAD, end - HEAD) ? NULL : "checksum";
}

/* Copies the next payload; returns 0 at the end of the stream. `*fault` is null for a good frame. */
static int next_frame(frames* reader, void* payload, const char** fault) {
  for (;;) {
    reader->filled +=
        fread(reader->buffer + reader->filled, 1, reader->size - reader->filled, reader->stream);
    if (reader->filled == 0)
      return 0;
    *fault = fault_of(reader);
    if (!*fault) {
      memcpy(payload, reader->buffer + HEAD, reader->size - HEAD - TAIL);
      reader->filled = 0;
      reader->lost = 0;
      return 1;
    }
    const int known = reader->lost && strcmp(*fault, "noise") == 0;
    reader->lost = 1;
    /* A frame that is cut ends the stream: what looks like a beginning inside of it is none. */
    size_t next = strcmp(*fault, "truncated") == 0 ? reader->filled : 1;
    while (next < reader->filled && !may_begin(reader, next))
      next++;
    memmove(reader->buffer, reader->buffer + next, reader->filled - next);
    reader->filled -= next;
    if (!known)
      return 1;
  }
}

/* A tensor for one frame in memory of its own; `*count` numbers. */
typedef struct {
  bundle_tensor tensor;
  uint64_t shape[MAX_RANK];
  size_t count;
} port;

static int make_port(port* made, const bundle_tensor* known) {
  if (known->dtype != BUNDLE_FLOAT32 || known->rank > MAX_RANK)
    return 0;
  made->count = 1;
  for (size_t axis = 0; axis < known->rank; axis++) {
    made->shape[axis] = known->shape[axis] == BUNDLE_ANY ? 1 : known->shape[axis];
    made->count *= made->shape[axis];
  }
  made->tensor = *known;
  made->tensor.shape = made->shape;
  made->tensor.size = made->count * sizeof(float);
  /* The size that is asked for is a multiple of the alignment. */
  const size_t size = (made->tensor.size / ALIGNMENT + 1) * ALIGNMENT;
  made->tensor.data = aligned_alloc(ALIGNMENT, size);
  if (made->tensor.data)
    memset(made->tensor.data, 0, size);
  return made->tensor.data != NULL;
}

/* Opens the model and proves it. */
static bundle_predictor* proven(const char* device, const char* link) {
  char path[PATH_SIZE];
  bundle_predictor* predictor = NULL;
  int32_t passed = 0;
  if (snprintf(path, sizeof path, "%s/%s", device, link) >= (int)sizeof path) {
    refused("the path of the device is too long");
    return NULL;
  }
  if (bundle_open(path, NULL, NULL, &predictor) != BUNDLE_OK) {
    failed();
    return NULL;
  }
  const int32_t status = bundle_self_test(predictor, &passed);
  if (status == BUNDLE_OK && passed)
    return predictor;
  if (status == BUNDLE_OK)
    refused("the self-test failed");
  else
    failed();
  bundle_close(predictor);
  return NULL;
}

/* The CPU time that all threads of this process have used, in microseconds. */
static double cpu(void) {
  struct timespec time = {0};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void report_decision(unsigned number, const port* output) {
  const float* scores = output->tensor.data;
  size_t best = 0;
  for (size_t i = 1; i < output->count; i++)
    if (scores[i] > scores[best])
      best = i;
  printf("frame %u: %zu (%.6f)\n", number, best, (double)scores[best]);
}

static void decide(frames* reader, bundle_call* call, const port* input, const port* output) {
  unsigned decided = 0;
  unsigned bad = 0;
  double spent = 0;
  const char* fault = NULL;
  while (next_frame(reader, input->tensor.data, &fault)) {
    const unsigned number = decided + bad;
    const double before = cpu();
    if (fault) {
      printf("frame %u: bad: %s\n", number, fault);
      bad++;
    } else if (bundle_run(call) != BUNDLE_OK) {
      printf("frame %u: bad: %s %s\n", number, bundle_last_error()->code, bundle_last_error()->subject);
      bad++;
    } else {
      spent += cpu() - before;
      report_decision(number, output);
      decided++;
    }
  }
  struct rusage usage = {0};
  getrusage(RUSAGE_SELF, &usage);
  printf("decided %u, bad %u\n", decided, bad);
  printf("memory %ld KiB at most, CPU %.0f us per inference\n", usage.ru_maxrss,
         decided ? spent / decided : 0);
}

static int run_with(const bundle_predictor* predictor, FILE* stream) {
  bundle_model model;
  port input = {0};
  port output = {0};
  frames reader = {.stream = stream};
  bundle_call* call = NULL;
  int status = EXIT_FAILURE;
  if (bundle_describe(predictor, &model) != BUNDLE_OK)
    return failed();
  if (model.input_count != 1)
    return refused("this device has one sensor, and needs a model of one input");
  printf("model %s %s: self-test passed\n", model.name, model.version);
  if (make_port(&input, &model.inputs[0]) && make_port(&output, &model.outputs[0])) {
    reader.size = HEAD + input.tensor.size + TAIL;
    reader.buffer = calloc(1, reader.size);
  }
  if (!reader.buffer) {
    refused("no memory, or a model whose numbers are not float32");
  } else if (bundle_bind(predictor, &input.tensor, 1, &output.tensor, 1, &call) != BUNDLE_OK) {
    failed();
  } else {
    decide(&reader, call, &input, &output);
    if (ferror(stream))
      perror("the stream");
    else
      status = EXIT_SUCCESS;
  }
  bundle_unbind(call);
  free(reader.buffer);
  free(input.tensor.data);
  free(output.tensor.data);
  return status;
}

static int run(const char* device, FILE* stream) {
  bundle_predictor* predictor = proven(device, "current");
  if (!predictor) {
    /* The model before. What is wrong with both is no fault of a model, such as a missing ONNX Runtime, and
       changes nothing. */
    predictor = proven(device, "previous");
    if (!predictor)
      return EXIT_FAILURE;
    if (bundle_rollback(device, NULL) != BUNDLE_OK) {
      bundle_close(predictor);
      return failed();
    }
  }
  const int status = run_with(predictor, stream);
  bundle_close(predictor);
  return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}

static int run_file(const char* device, const char* path) {
  FILE* stream = fopen(path, "rb");
  if (!stream) {
    perror(path);
    return EXIT_FAILURE;
  }
  const int status = run(device, stream);
  fclose(stream);
  return status;
}

static int change(int32_t status, const bundle_updated* done) {
  if (status != BUNDLE_OK)
    return failed();
  const char* how = done->changed ? "runs from the next start on" : "runs already";
  printf("model %s %s %s\n", done->name, done->version, how);
  return EXIT_SUCCESS;
}

int main(int count, char** arguments) {
  const char* word = count > 2 ? arguments[2] : "";
  bundle_updated done;
  if (count == 3 && strcmp(word, "run") == 0)
    return run(arguments[1], stdin);
  if (count == 4 && strcmp(word, "run") == 0)
    return run_file(arguments[1], arguments[3]);
  if (count == 4 && strcmp(word, "update") == 0)
    return change(bundle_update(arguments[1], arguments[3], NULL, &done), &done);
  if (count == 3 && strcmp(word, "rollback") == 0)
    return change(bundle_rollback(arguments[1], &done), &done);
  fputs(USAGE, stderr);
  return 2;
}
