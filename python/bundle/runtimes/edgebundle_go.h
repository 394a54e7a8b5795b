/* The predictor in Go as a C library: go/cabi, built as a shared library. `bundle.runtimes.go` reads this
 * file for its declarations, so that it must hold nothing but declarations, comments and lines that begin
 * with #.
 *
 * A function that gives `char *` gives NULL when all went well, else a JSON object with the texts `code`,
 * `subject`, `expected` and `found` that the caller frees. None of them ends the process, and in a forked
 * process none enters Go, which has only one of its threads there: they answer `process_forked`. */
#ifndef EDGEBUNDLE_GO_H
#define EDGEBUNDLE_GO_H
#include <stdint.h>

/* A tensor in C order, in the byte order of the host. All memory is the caller's and borrowed for the call; a
 * bound call borrows what `data` points to until it is released. Sizes are in bytes, without a final zero. */
typedef struct {
  const char* name;
  int64_t name_size;
  /* A word of the format; any other is refused where types are judged. */
  const char* dtype;
  int64_t dtype_size;
  int64_t rank;
  int64_t* shape;
  /* The elements. Of strings the UTF-8 bytes of all, one after the other. */
  void* data;
  int64_t size;
  /* Of strings, where each begins in `data`, and where the last ends; NULL for all others. */
  int64_t* offsets;
  /* Of a result, whether it was written to `data`. */
  int32_t written;
} edgebundle_go_tensor;

/* Told the rows done and the rows in all; 0 cancels. */
typedef int32_t (*edgebundle_go_progress)(void* context, int64_t done, int64_t total);

/* Open a bundle with options, a JSON object. `handle` is released by the caller, as all handles are. */
char* edgebundle_go_open(const char* path, int64_t path_size, const char* options, int64_t options_size,
                         uint64_t* handle);

/* What DRIVER.md writes in the replies to `open` and `self_test`, and some more; `json` is freed by the
 * caller. */
char* edgebundle_go_describe(uint64_t predictor, char** json);
char* edgebundle_go_self_test(uint64_t predictor, char** json);

/* Predict all outputs, which stand in `outputs` in the order of the manifest with a name, a rank and room for
 * the shape. Where `data` is not NULL it is memory for a result of the shape given there; a result of that
 * shape is written to it. Of the others `shape` and `size` are set, and `rest` holds them for
 * edgebundle_go_take; it is 0 where there are none. */
char* edgebundle_go_predict(uint64_t predictor, const edgebundle_go_tensor* inputs, int64_t input_count,
                            edgebundle_go_tensor* outputs, int64_t output_count, uint64_t* rest);

/* The same for a batch in pieces; `batch_size` and `progress` may be NULL. */
char* edgebundle_go_predict_batch(uint64_t predictor, const edgebundle_go_tensor* inputs, int64_t input_count,
                                  const int64_t* batch_size, edgebundle_go_progress progress, void* context,
                                  edgebundle_go_tensor* outputs, int64_t output_count, uint64_t* rest);

/* Copy the results that were not written yet to `data`, which has `size` bytes now, and `offsets`. */
char* edgebundle_go_take(uint64_t rest, edgebundle_go_tensor* outputs, int64_t output_count);

/* Predict into some or all outputs. */
char* edgebundle_go_predict_into(uint64_t predictor, const edgebundle_go_tensor* inputs, int64_t input_count,
                                 const edgebundle_go_tensor* outputs, int64_t output_count);

/* Bind buffers, run over them, and replace the strings among the inputs, which are not borrowed but copied.
 */
char* edgebundle_go_bind(uint64_t predictor, const edgebundle_go_tensor* inputs, int64_t input_count,
                         const edgebundle_go_tensor* outputs, int64_t output_count, uint64_t* call);
char* edgebundle_go_run(uint64_t call);
char* edgebundle_go_rewrite(uint64_t call, const edgebundle_go_tensor* inputs, int64_t input_count);

/* Wait for the calls in flight and let the model go; the handle stays valid. */
char* edgebundle_go_close(uint64_t predictor);

/* Let go of a handle that no call uses. Nothing happens in a forked process. */
void edgebundle_go_release(uint64_t handle);
void edgebundle_go_free(char* text);

#endif
