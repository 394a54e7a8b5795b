// The element types under the names that others have for them.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "bundle/tensor.hpp"

namespace bundle::detail {

struct DTypeRow {
  DType dtype;
  const char* word;
  /// The name in a safetensors file; empty for strings.
  const char* safetensors;
  /// The value of ONNXTensorElementDataType.
  int onnx;
  /// Bytes of an element; 0 for strings.
  std::size_t size;
};

const DTypeRow& row_of(DType dtype);
const DTypeRow* row_by_word(std::string_view word);
const DTypeRow* row_by_safetensors(std::string_view name);
const DTypeRow* row_by_onnx(int onnx);

bool is_float(DType dtype);

}  // namespace bundle::detail
