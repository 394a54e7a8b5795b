/* What firmware would do: open, test, predict into buffers of its own, again in a bound loop, and fail well. */
#include "bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                            \
  do {                                                              \
    if (!(condition)) {                                             \
      fprintf(stderr, "line %d: %s\n", __LINE__, #condition);       \
      if (bundle_last_error())                                      \
        fprintf(stderr, "%s\n", bundle_last_error()->message);      \
      exit(1);                                                      \
    }                                                               \
  } while (0)

static bundle_tensor tensor(const char *name, const uint64_t *shape, size_t rank, float *data, size_t count) {
  bundle_tensor made = {name, BUNDLE_FLOAT32, shape, rank, data, count * sizeof *data};
  return made;
}

static int refused(int32_t status, const char *code, const char *subject) {
  const bundle_error *error = bundle_last_error();
  return status != BUNDLE_OK && error && !strcmp(error->code, code) && !strcmp(error->subject, subject);
}

static void described(const bundle_predictor *predictor) {
  bundle_model model;
  CHECK(bundle_describe(predictor, &model) == BUNDLE_OK);
  CHECK(!strcmp(model.name, "vector") && !strcmp(model.version, "1.0.0") && strlen(model.digest) == 64);
  CHECK(model.input_count == 1 && model.output_count == 1 && !strcmp(model.outputs[0].name, "y"));
  const bundle_tensor *x = model.inputs;
  CHECK(!strcmp(x->name, "x") && x->dtype == BUNDLE_FLOAT32 && x->data == NULL && x->size == 0);
  CHECK(x->rank == 2 && x->shape[0] == BUNDLE_ANY && x->shape[1] == 3);
  CHECK(refused(bundle_describe(predictor, NULL), "usage_invalid", "model"));
  CHECK(refused(bundle_describe(NULL, &model), "usage_invalid", "."));
}

static void updated(const char *archive, const char *device, const char *options) {
  bundle_updated done = {.changed = 7};
  CHECK(refused(bundle_update(device, "none", options, &done), "archive_not_found", ".") && done.changed == 7);
  CHECK(refused(bundle_update(NULL, archive, options, NULL), "usage_invalid", "folder"));
  CHECK(bundle_update(device, archive, options, &done) == BUNDLE_OK && done.changed == 1);
  CHECK(!strcmp(done.name, "vector") && !strcmp(done.version, "1.0.0") && strlen(done.digest) == 64);
  CHECK(!strcmp(done.previous, ""));
  CHECK(bundle_update(device, archive, options, NULL) == BUNDLE_OK);
  CHECK(bundle_update(device, archive, NULL, &done) == BUNDLE_OK && done.changed == 0);
  CHECK(refused(bundle_rollback(device, &done), "rollback_impossible", "previous"));
}

static void numbers(const char *folder, const char *options) {
  static const uint64_t shape[] = {2, 3};
  _Alignas(16) float x[6] = {1, 2, 3, 4, 5, 6}, y[8] = {0}, bound[8] = {0};
  bundle_predictor *predictor = NULL;
  bundle_outputs *outputs = NULL;
  bundle_call *call = NULL;
  CHECK(bundle_open(folder, options, NULL, &predictor) == BUNDLE_OK);
  described(predictor);

  bundle_tensor input = tensor("x", shape, 2, x, 6), output = tensor("y", shape, 2, y, 6), found;
  CHECK(bundle_predict(predictor, &input, 1, &outputs) == BUNDLE_OK);
  CHECK(bundle_outputs_get(outputs, "y", &found) == BUNDLE_OK);
  CHECK(found.dtype == BUNDLE_FLOAT32 && found.rank == 2 && found.shape[0] == 2 && found.size == sizeof x);
  CHECK((uintptr_t)found.data % 16 == 0);
  CHECK(refused(bundle_outputs_get(outputs, "z", &found), "output_unknown", "z"));
  CHECK(bundle_predict_into(predictor, &input, 1, &output, 1) == BUNDLE_OK);
  CHECK(!memcmp(found.data, y, sizeof x));
  bundle_outputs_free(outputs);

  output.data = bound;
  CHECK(bundle_bind(predictor, &input, 1, &output, 1, &call) == BUNDLE_OK);
  x[0] = 7;
  CHECK(bundle_run(call) == BUNDLE_OK);
  CHECK(!memcmp(bound + 1, y + 1, 5 * sizeof *y) && bound[0] != y[0]);

  bundle_call *second = NULL;
  output.data = x;
  CHECK(refused(bundle_bind(predictor, &input, 1, &output, 1, &second), "buffer_unsuitable", "y"));
  output.data = bound + 1;
  CHECK(refused(bundle_bind(predictor, &input, 1, &output, 1, &second), "buffer_unsuitable", "y"));
  input.dtype = 99;
  CHECK(refused(bundle_predict(predictor, &input, 1, &outputs), "input_dtype_mismatch", "x"));
  CHECK(refused(bundle_predict(predictor, NULL, 1, &outputs), "usage_invalid", "."));
  CHECK(refused(bundle_predict(NULL, &input, 1, &outputs), "usage_invalid", "."));
  CHECK(refused(bundle_predict(predictor, &input, 0, &outputs), "input_missing", "x"));

  bundle_close(predictor);
  CHECK(refused(bundle_run(call), "predictor_closed", "."));
  bundle_unbind(call);
}

static void texts(const char *folder, const char *options) {
  static const uint64_t shape[] = {2};
  bundle_text words[] = {{"one", 3}, {"", 0}};
  bundle_tensor input = {"x", BUNDLE_STRING, shape, 1, words, 2}, found;
  bundle_predictor *predictor = NULL;
  bundle_outputs *outputs = NULL;
  CHECK(bundle_open(folder, options, NULL, &predictor) == BUNDLE_OK);
  CHECK(bundle_predict(predictor, &input, 1, &outputs) == BUNDLE_OK);
  CHECK(bundle_outputs_get(outputs, "y", &found) == BUNDLE_OK);
  CHECK(found.dtype == BUNDLE_STRING && found.size == 2);
  bundle_outputs_free(outputs);
  words[1].bytes = "\xff", words[1].length = 1;
  CHECK(refused(bundle_predict(predictor, &input, 1, &outputs), "input_value", "x"));
  bundle_close(predictor);
}

int main(int count, char **arguments) {
  CHECK(count == 7);
  const char *options = arguments[1];
  bundle_predictor *predictor = NULL;
  int32_t passed = 7;
  CHECK(bundle_last_error() == NULL);
  CHECK(refused(bundle_open("no such folder", NULL, NULL, &predictor), "bundle_not_found", "."));
  CHECK(refused(bundle_open(arguments[2], "[]", NULL, &predictor), "usage_invalid", "options"));
  CHECK(refused(bundle_open(NULL, NULL, NULL, &predictor), "usage_invalid", "path") && predictor == NULL);
  numbers(arguments[2], options);
  texts(arguments[3], options);
  CHECK(bundle_open(arguments[4], options, NULL, &predictor) == BUNDLE_OK);
  CHECK(bundle_self_test(predictor, &passed) == BUNDLE_OK && passed == 1);
  bundle_close(predictor);
  updated(arguments[5], arguments[6], options);
  bundle_close(NULL);
  puts("good");
  return 0;
}
