// The bytes of a file that is given as ONNX Runtime's library: none of its code runs.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "bundle/error.hpp"
#include "elf.hpp"
#include "written.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    bundle::detail::read_library_file(bundle::fuzz::written("library", data, size));
  } catch (const bundle::Error& error) {
    if (error.code() != "library_malformed" && error.code() != "library_architecture") {
      std::abort();
    }
  }
  return 0;
}
