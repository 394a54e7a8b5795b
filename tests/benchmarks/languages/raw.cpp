// The baseline: ONNX Runtime's C API and nothing else, in the way in which a careful program calls it.
#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#include <algorithm>
#include <stdexcept>

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

class Raw {
 public:
  explicit Raw(const Plan& plan)
      : plan_(plan),
        names_{plan_.input.c_str(), plan_.output.c_str()},
        shapes_{plan.input_shape, Plan::with_rows(plan.input_shape, plan.rows)},
        inputs_{Values(count_of(shapes_[0])), Values(count_of(shapes_[1]))},
        output_(count_of(plan.output_shape)) {
    check(api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "raw", &env_));
    check(api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory_));
    session_ = load_model(env_, plan_.model);
    bound_input_ = tensor(memory_, inputs_[0], shapes_[0]);
    bound_output_ = tensor(memory_, output_, plan_.output_shape);
  }

  void bound() {
    check(api->Run(session_, nullptr, names_, &bound_input_, 1, names_ + 1, 1, &bound_output_));
  }

  /// Returns what the caller then owns. `which`: 0 for one row, 1 for all.
  std::vector<float> predict(int which) {
    OrtValue* input = tensor(memory_, inputs_[which], shapes_[which]);
    OrtValue* output = nullptr;
    check(api->Run(session_, nullptr, names_, &input, 1, names_ + 1, 1, &output));
    float* values = nullptr;
    check(api->GetTensorMutableData(output, reinterpret_cast<void**>(&values)));
    const std::size_t count =
        count_of(plan_.output_shape) * (which == 0 ? 1 : static_cast<std::size_t>(plan_.rows));
    std::vector<float> owned(values, values + count);
    api->ReleaseValue(output);
    api->ReleaseValue(input);
    return owned;
  }

  void open() { api->ReleaseSession(load_model(env_, plan_.model)); }

 private:
  Plan plan_;
  const char* names_[2];
  Shape shapes_[2];
  Values inputs_[2];
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
                       {"predict", [&] { raw.predict(0); }},
                       {"whole", [&] { raw.predict(1); }},
                       {"open", [&] { raw.open(); }}};
  serve(kinds, [&] {
    const std::vector<float> answer = raw.predict(0);
    print_hex(answer.data(), answer.size());
  });
}
