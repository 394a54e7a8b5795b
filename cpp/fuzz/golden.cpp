// The bytes of a golden file: tensors, or the one error that says they are none.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "dtype.hpp"
#include "safetensors.hpp"

using bundle::DType;
using bundle::detail::read_tensors;
using bundle::detail::TensorFileError;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::make_shared<std::string>(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& [key, tensor] : read_tensors(file)) {
      const bool whole = tensor.dtype() == DType::string ? tensor.strings().size() == tensor.count()
                                                         : tensor.bytes() <= size;
      if (!whole) {
        std::abort();
      }
    }
  } catch (const TensorFileError&) {
    return 0;
  }
  return 0;
}
