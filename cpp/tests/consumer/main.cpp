// What a program of another project needs: installed headers that include nothing of ONNX Runtime.
#include <bundle/predictor.hpp>

#ifdef ORT_API_VERSION
#error "an installed header includes ONNX Runtime's"
#endif

int main() {
  try {
    bundle::Manifest::parse("{}");
  } catch (const bundle::Error& error) {
    return error.code() == "manifest_field_missing" ? 0 : 1;
  }
  return 1;
}
