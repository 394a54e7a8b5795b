/* Opens an edge bundle and predicts from it: spec/FORMAT.md says what a bundle is.

   1. bundle_open  2. bundle_self_test, once on each device  3. bundle_predict, or bundle_bind and bundle_run
   in a loop  4. bundle_close. bundle_update takes a new model from an archive; examples/firmware is a whole
   device.

   Ownership: what a function gives, the caller frees with the function that its comment names; nothing that
   the caller gives is kept, but for the buffers of bundle_bind. Failures: a function returns BUNDLE_OK or
   something else, and then bundle_last_error says what, for this thread. Threads: a predictor may be used by
   many at once, a bound call by one. No function ends the program. ONNX Runtime is loaded
   at run time; section 6 says from where. */

#ifndef BUNDLE_H
#define BUNDLE_H

#include <stddef.h>
#include <stdint.h>

/*
 What a function returns when it went well. Anything else is a failure: see bundle_last_error.
 */
#define BUNDLE_OK 0

/*
 Element types, numbered as in ONNX.
 */
#define BUNDLE_FLOAT32 1

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_UINT8 2

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_INT8 3

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_UINT16 4

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_INT16 5

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_INT32 6

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_INT64 7

/*
 See BUNDLE_FLOAT32. `data` points to `size` of bundle_text.
 */
#define BUNDLE_STRING 8

/*
 See BUNDLE_FLOAT32. One byte each, 0 or 1.
 */
#define BUNDLE_BOOL 9

/*
 See BUNDLE_FLOAT32. 16 bits of storage.
 */
#define BUNDLE_FLOAT16 10

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_FLOAT64 11

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_UINT32 12

/*
 See BUNDLE_FLOAT32.
 */
#define BUNDLE_UINT64 13

/*
 Stands in a shape for a size that the inputs of each call decide.
 */
#define BUNDLE_ANY UINT64_MAX

/*
 A call over buffers that are borrowed. One thread at a time.
 */
typedef struct bundle_call bundle_call;

/*
 The outputs of a call. Read-only, by any thread.
 */
typedef struct bundle_outputs bundle_outputs;

/*
 An open model. Any number of threads may use it at once.
 */
typedef struct bundle_predictor bundle_predictor;

/*
 A failure. `code` and `subject` are the contract (spec/errors.json), `message` is for people.
 */
typedef struct bundle_error {
    /*
     Stable for ever, such as `input_missing`.
     */
    const char *code;
    /*
     What is at fault: an input, an option, a path inside the bundle.
     */
    const char *subject;
    /*
     A sentence.
     */
    const char *message;
} bundle_error;

/*
 A tensor in C order, contiguous. The struct and what it points to belong to the caller, but where
 bundle_outputs_get filled it.
 */
typedef struct bundle_tensor {
    /*
     Its name in the manifest, terminated by zero.
     */
    const char *name;
    /*
     One of BUNDLE_FLOAT32 and the like.
     */
    int32_t dtype;
    /*
     The size of each axis; may be null where `rank` is 0.
     */
    const uint64_t *shape;
    /*
     The number of axes.
     */
    size_t rank;
    /*
     The elements, in the byte order of this machine; may be null where there are none.
     */
    void *data;
    /*
     The size of `data` in bytes; of strings, their number.
     */
    size_t size;
} bundle_tensor;

/*
 What an open model is. The texts and tensors belong to the predictor and live until bundle_close.
 */
typedef struct bundle_model {
    /*
     The name of the model.
     */
    const char *name;
    /*
     Its version, three numbers.
     */
    const char *version;
    /*
     The identity of the bundle, 64 hex digits.
     */
    const char *digest;
    /*
     Its inputs: name, type and shape, with BUNDLE_ANY where a size is open; `data` is null.
     */
    const struct bundle_tensor *inputs;
    /*
     The number of inputs.
     */
    size_t input_count;
    /*
     Its outputs, in the same way.
     */
    const struct bundle_tensor *outputs;
    /*
     The number of outputs.
     */
    size_t output_count;
} bundle_model;

/*
 What a device runs after a change. The texts end with a zero.
 */
typedef struct bundle_updated {
    /*
     The identity of its bundle, 64 hex digits.
     */
    char digest[65];
    /*
     The name of its model.
     */
    char name[65];
    /*
     The version of its model.
     */
    char version[32];
    /*
     The version that bundle_rollback would bring back; empty where there is none.
     */
    char previous[32];
    /*
     0 where it ran this bundle already, else 1.
     */
    int32_t changed;
} bundle_updated;

/*
 A string: UTF-8 without U+0000, not terminated.
 */
typedef struct bundle_text {
    /*
     Its bytes.
     */
    const char *bytes;
    /*
     Their number.
     */
    size_t length;
} bundle_text;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The last failure of this thread, or null. It lives until the next failure of this thread.
 */
const struct bundle_error *bundle_last_error(void);

/*
 Opens the bundle in the folder `path`.

 `options` is null or a JSON object of the options of spec/FORMAT.md, section 5. `ort_api` is null, or the
 `const OrtApi *` of the ONNX Runtime that this program holds, which then stays loaded. On success
 `*predictor` is the caller's, to free with bundle_close; on failure it is untouched. The texts are only
 read during the call.

 What the caller answers for:
 Pointers are null or as said.
 */
int32_t bundle_open(const char *path,
                    const char *options,
                    const void *ort_api,
                    struct bundle_predictor **predictor);

/*
 Waits for the calls in flight and frees the predictor; null is allowed. Calls that are bound stay valid to
 be freed, and fail with `predictor_closed`.

 What the caller answers for:
 `predictor` is null or of bundle_open, and no other function uses it from now on.
 */
void bundle_close(struct bundle_predictor *predictor);

/*
 Predicts once. `inputs` are exactly the model's, in any order, and only read during the call. On success
 `*outputs` is the caller's, to free with bundle_outputs_free; on failure it is untouched.

 What the caller answers for:
 `predictor` is open; `inputs` are `count` sound tensors; `outputs` is valid for a write.
 */
int32_t bundle_predict(const struct bundle_predictor *predictor,
                       const struct bundle_tensor *inputs,
                       size_t count,
                       struct bundle_outputs **outputs);

/*
 Fills `tensor` for the output `name`. What it points to belongs to `outputs`, is not to be written to, and
 lives until bundle_outputs_free. Elements start at a multiple of 16 bytes.

 What the caller answers for:
 `outputs` is of bundle_predict; `name` is a C string; `tensor` is valid for a write.
 */
int32_t bundle_outputs_get(const struct bundle_outputs *outputs,
                           const char *name,
                           struct bundle_tensor *tensor);

/*
 Frees outputs; null is allowed.

 What the caller answers for:
 `outputs` is null or of bundle_predict, and is not used from now on.
 */
void bundle_outputs_free(struct bundle_outputs *outputs);

/*
 Predicts once into the caller's buffers, for some or all outputs. `outputs` tell where; no two may overlap,
 and none may be of strings. On failure the buffers are untouched.

 What the caller answers for:
 `predictor` is open; both lists are sound tensors, those of `outputs` writable.
 */
int32_t bundle_predict_into(const struct bundle_predictor *predictor,
                            const struct bundle_tensor *inputs,
                            size_t input_count,
                            const struct bundle_tensor *outputs,
                            size_t output_count);

/*
 Binds inputs and outputs for a loop that does not allocate: change the inputs in place, bundle_run, read
 the outputs. Names, shapes and strings are copied; the elements are borrowed until bundle_unbind, start at
 a multiple of 16 bytes, and outputs overlap nothing. On success `*call` is the caller's, to free with
 bundle_unbind; on failure it is untouched.

 What the caller answers for:
 `predictor` is open; both lists are sound, writable tensors whose elements live until bundle_unbind.
 */
int32_t bundle_bind(const struct bundle_predictor *predictor,
                    const struct bundle_tensor *inputs,
                    size_t input_count,
                    const struct bundle_tensor *outputs,
                    size_t output_count,
                    struct bundle_call **call);

/*
 Runs a bound call once. On failure the output buffers hold nothing of use.

 What the caller answers for:
 `call` is of bundle_bind, and no other thread uses it or its buffers during the call.
 */
int32_t bundle_run(struct bundle_call *call);

/*
 Frees a bound call; null is allowed. Its buffers are the caller's alone again.

 What the caller answers for:
 `call` is null or of bundle_bind, and is not used from now on.
 */
void bundle_unbind(struct bundle_call *call);

/*
 Predicts every golden case of the bundle and compares it with what was recorded; `*passed` is 1 when all
 hold, else 0. On failure it is untouched.

 What the caller answers for:
 `predictor` is open; `passed` is valid for a write.
 */
int32_t bundle_self_test(const struct bundle_predictor *predictor, int32_t *passed);

/*
 Fills `model` with what the predictor asks for and gives. On failure it is untouched.

 What the caller answers for:
 `predictor` is open; `model` is valid for a write.
 */
int32_t bundle_describe(const struct bundle_predictor *predictor, struct bundle_model *model);

/*
 Lets the device whose folder is `folder` run the bundle of an archive: checked, written, proven by its
 self-test, and switched to in one step (spec/STORE.md, section 4). Programs open `folder`/current. An older
 version is refused. `options` is null or a JSON object of that section's. `updated` may be null. On failure
 the device runs what it ran, and `*updated` is untouched.

 What the caller answers for:
 Pointers are null or as said.
 */
int32_t bundle_update(const char *folder,
                      const char *archive,
                      const char *options,
                      struct bundle_updated *updated);

/*
 Lets the device run the bundle that ran before; a second call takes the first one back. `updated` may be
 null. On failure the device runs what it ran, and `*updated` is untouched.

 What the caller answers for:
 Pointers are null or as said.
 */
int32_t bundle_rollback(const char *folder, struct bundle_updated *updated);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BUNDLE_H */
