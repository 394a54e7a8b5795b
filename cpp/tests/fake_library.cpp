// A library with the entry point of ONNX Runtime and nothing behind it. Its constructor notes how the
// variable stood when it was loaded: that is what proves the order.
#include <onnxruntime_c_api.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

struct Note {
  Note() {
    const char* where = std::getenv("FAKE_LIBRARY_NOTE");
    const char* value = std::getenv("ORT_DISABLE_TELEMETRY");
    if (std::FILE* file = where == nullptr ? nullptr : std::fopen(where, "w")) {
      std::fputs(value == nullptr ? "none" : value, file);
      std::fclose(file);
    }
  }
} note;

const OrtApi* ORT_API_CALL no_api(std::uint32_t /*version*/) noexcept { return nullptr; }

const char* ORT_API_CALL old_version() noexcept { return "1.22.0"; }

}  // namespace

extern "C" const OrtApiBase* ORT_API_CALL OrtGetApiBase() noexcept {
#ifdef FAKE_OLD
  static const OrtApiBase base = {no_api, old_version};
  return &base;
#else
  static_cast<void>(no_api);
  static_cast<void>(old_version);
  return nullptr;
#endif
}
