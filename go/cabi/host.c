// What the host process keeps although a Go runtime lives in it: its handling of SIGPIPE, and forks.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "_cgo_export.h"

static const char process_forked[] =
    "{\"code\":\"process_forked\",\"subject\":\".\",\"expected\":\"the process that loaded Go\","
    "\"found\":\"a forked one\"}";

static volatile sig_atomic_t forked;
static struct sigaction pipe_before;
static pthread_once_t restored = PTHREAD_ONCE_INIT;

static void note_fork(void) { forked = 1; }

// Runs before the Go runtime's own constructor, which has no priority: that replaces the handling of SIGPIPE.
__attribute__((constructor(101))) static void note_host(void) {
  sigaction(SIGPIPE, NULL, &pipe_before);
  pthread_atfork(NULL, NULL, note_fork);
}

static void restore_pipe(void) {
  if (pipe_before.sa_handler != SIG_DFL && pipe_before.sa_handler != SIG_IGN) {
    // A handler may be called while a thread is on the small stack of a goroutine.
    pipe_before.sa_flags |= SA_ONSTACK;
  }
  sigaction(SIGPIPE, &pipe_before, NULL);
}

char* edgebundle_go_open(const char* path, int64_t path_size, const char* options, int64_t options_size,
                         uint64_t* handle) {
  pthread_once(&restored, restore_pipe);
  return forked ? (char*)process_forked
                : goOpen((char*)path, path_size, (char*)options, options_size, handle);
}

char* edgebundle_go_describe(uint64_t predictor, char** json) {
  return forked ? (char*)process_forked : goDescribe(predictor, json);
}

char* edgebundle_go_self_test(uint64_t predictor, char** json) {
  return forked ? (char*)process_forked : goSelfTest(predictor, json);
}

char* edgebundle_go_predict(uint64_t predictor, const edgebundle_go_tensor* inputs, int64_t input_count,
                            edgebundle_go_tensor* outputs, int64_t output_count, uint64_t* rest) {
  return forked
             ? (char*)process_forked
             : goPredict(predictor, (edgebundle_go_tensor*)inputs, input_count, outputs, output_count, rest);
}

char* edgebundle_go_predict_batch(uint64_t predictor, const edgebundle_go_tensor* inputs, int64_t input_count,
                                  const int64_t* batch_size, edgebundle_go_progress progress, void* context,
                                  edgebundle_go_tensor* outputs, int64_t output_count, uint64_t* rest) {
  return forked ? (char*)process_forked
                : goPredictBatch(predictor, (edgebundle_go_tensor*)inputs, input_count, (int64_t*)batch_size,
                                 progress, context, outputs, output_count, rest);
}

char* edgebundle_go_take(uint64_t rest, edgebundle_go_tensor* outputs, int64_t output_count) {
  return forked ? (char*)process_forked : goTake(rest, outputs, output_count);
}

char* edgebundle_go_predict_into(uint64_t predictor, const edgebundle_go_tensor* inputs, int64_t input_count,
                                 const edgebundle_go_tensor* outputs, int64_t output_count) {
  return forked ? (char*)process_forked
                : goPredictInto(predictor, (edgebundle_go_tensor*)inputs, input_count,
                                (edgebundle_go_tensor*)outputs, output_count);
}

char* edgebundle_go_bind(uint64_t predictor, const edgebundle_go_tensor* inputs, int64_t input_count,
                         const edgebundle_go_tensor* outputs, int64_t output_count, uint64_t* call) {
  return forked ? (char*)process_forked
                : goBind(predictor, (edgebundle_go_tensor*)inputs, input_count,
                         (edgebundle_go_tensor*)outputs, output_count, call);
}

char* edgebundle_go_run(uint64_t call) { return forked ? (char*)process_forked : goRun(call); }

char* edgebundle_go_rewrite(uint64_t call, const edgebundle_go_tensor* inputs, int64_t input_count) {
  return forked ? (char*)process_forked : goRewrite(call, (edgebundle_go_tensor*)inputs, input_count);
}

char* edgebundle_go_close(uint64_t predictor) { return forked ? (char*)process_forked : goClose(predictor); }

void edgebundle_go_release(uint64_t handle) {
  if (!forked) {
    goRelease(handle);
  }
}

void edgebundle_go_free(char* text) {
  if (text != process_forked) {
    free(text);
  }
}

// Go cannot call a pointer to a function.
int32_t edgebundle_go_tell(edgebundle_go_progress progress, void* context, int64_t done, int64_t total) {
  return progress(context, done, total);
}
