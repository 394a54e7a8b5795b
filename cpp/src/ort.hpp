// ONNX Runtime's C API behind RAII.
#pragma once

#include <onnxruntime_c_api.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace bundle::detail {

/// An error that ONNX Runtime reported; the caller turns it into a code of the format.
class OrtFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws OrtFailure with the first line of the message where there is an error, and releases the status.
void check(const OrtApi& api, OrtStatus* status);

struct Release {
  const OrtApi* api = nullptr;
  void operator()(OrtSession* one) const { api->ReleaseSession(one); }
  void operator()(OrtSessionOptions* one) const { api->ReleaseSessionOptions(one); }
  void operator()(OrtValue* one) const { api->ReleaseValue(one); }
  void operator()(OrtMemoryInfo* one) const { api->ReleaseMemoryInfo(one); }
  void operator()(OrtTypeInfo* one) const { api->ReleaseTypeInfo(one); }
  void operator()(OrtTensorTypeAndShapeInfo* one) const { api->ReleaseTensorTypeAndShapeInfo(one); }
  void operator()(OrtCUDAProviderOptionsV2* one) const { api->ReleaseCUDAProviderOptions(one); }
  void operator()(OrtTensorRTProviderOptionsV2* one) const { api->ReleaseTensorRTProviderOptions(one); }
};

template <class T>
using Handle = std::unique_ptr<T, Release>;

/// Calls a function of the API that makes an object, its last argument: `make<OrtValue>(api, api.CreateX, a,
/// b)`.
template <class T, class Function, class... Arguments>
Handle<T> make(const OrtApi& api, Function function, Arguments... arguments) {
  T* made = nullptr;
  check(api, function(arguments..., &made));
  return Handle<T>(made, Release{&api});
}

/// A loaded ONNX Runtime. Lives as long as the process: sessions may be released by its last destructors.
struct Runtime {
  const OrtApi* api = nullptr;
  OrtEnv* env = nullptr;
  OrtAllocator* allocator = nullptr;
  OrtMemoryInfo* memory = nullptr;
  std::string version;
  /// Where the library was loaded from; empty where the host program handed it in.
  std::string path;
  /// What dlopen gave, to look up what the table of functions lacks; null where it was handed in.
  void* library = nullptr;
  const OrtApiBase* base = nullptr;
};

}  // namespace bundle::detail
