// The baseline: ONNX Runtime's C API and nothing else, in the way in which a careful program calls it.
#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#include <stdexcept>
#include <utility>

#include "loop.hpp"

namespace {

const OrtApi* api = nullptr;

void check(OrtStatus* status) {
  if (status != nullptr) {
    throw std::runtime_error(api->GetErrorMessage(status));
  }
}

const OrtApi* load() {
  void* library = ::dlopen(std::getenv("ORT_DYLIB_PATH"), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw std::runtime_error(::dlerror());
  }
  const auto base = reinterpret_cast<const OrtApiBase* (*)()>(::dlsym(library, "OrtGetApiBase"));
  return base()->GetApi(ORT_API_VERSION);
}

/// With the settings of spec/session.json.
OrtSession* load_model(OrtEnv* env, const std::string& path) {
  OrtSessionOptions* options = nullptr;
  check(api->CreateSessionOptions(&options));
  check(api->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_ALL));
  check(api->SetIntraOpNumThreads(options, 1));
  check(api->SetInterOpNumThreads(options, 1));
  check(api->DisableCpuMemArena(options));
  OrtSession* session = nullptr;
  check(api->CreateSession(env, path.c_str(), options, &session));
  api->ReleaseSessionOptions(options);
  return session;
}

OrtValue* tensor(const OrtMemoryInfo* memory, Values& values, const Shape& shape) {
  OrtValue* made = nullptr;
  check(api->CreateTensorWithDataAsOrtValue(memory, values.data.get(), 4 * values.count, shape.data(),
                                            shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &made));
  return made;
}

/// What a call is fed with.
struct Input {
  explicit Input(Shape wanted) : shape(std::move(wanted)), values(count_of(shape)) {}

  Shape shape;
  Values values;
};

class Raw {
 public:
  explicit Raw(const Plan& plan)
      : one(plan.input_shape),
        all(Plan::with_rows(plan.input_shape, plan.rows)),
        plan_(plan),
        input_name_(plan_.input.c_str()),
        output_name_(plan_.output.c_str()),
        output_(count_of(plan.output_shape)) {
    check(api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "raw", &env_));
    check(api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory_));
    session_ = load_model(env_, plan_.model);
    bound_input_ = tensor(memory_, one.values, one.shape);
    bound_output_ = tensor(memory_, output_, plan_.output_shape);
  }

  void bound() {
    check(api->Run(session_, nullptr, &input_name_, &bound_input_, 1, &output_name_, 1, &bound_output_));
  }

  /// Returns what the caller then owns.
  std::vector<float> predict(Input& given) {
    OrtValue* input = tensor(memory_, given.values, given.shape);
    OrtValue* output = nullptr;
    check(api->Run(session_, nullptr, &input_name_, &input, 1, &output_name_, 1, &output));
    float* values = nullptr;
    check(api->GetTensorMutableData(output, reinterpret_cast<void**>(&values)));
    const std::size_t count = count_of(Plan::with_rows(plan_.output_shape, given.shape[0]));
    std::vector<float> owned(values, values + count);
    api->ReleaseValue(output);
    api->ReleaseValue(input);
    return owned;
  }

  void open() { api->ReleaseSession(load_model(env_, plan_.model)); }

  Input one, all;

 private:
  Plan plan_;
  const char* input_name_;
  const char* output_name_;
  Values output_;
  OrtEnv* env_ = nullptr;
  OrtMemoryInfo* memory_ = nullptr;
  OrtSession* session_ = nullptr;
  OrtValue* bound_input_ = nullptr;
  OrtValue* bound_output_ = nullptr;
};

}  // namespace

int main(int /*count*/, char** arguments) {
  api = load();
  const Plan plan(arguments);
  Raw raw(plan);
  const Kinds kinds = {{"bound", [&] { raw.bound(); }},
                       {"predict", [&] { raw.predict(raw.one); }},
                       {"whole", [&] { raw.predict(raw.all); }},
                       {"open", [&] { raw.open(); }}};
  serve(kinds, [&] {
    const std::vector<float> answer = raw.predict(raw.one);
    print_hex(answer.data(), answer.size());
  });
}
