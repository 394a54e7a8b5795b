#include "dtype.hpp"

#include <onnxruntime_c_api.h>

#include <algorithm>
#include <array>

namespace bundle {

namespace detail {

namespace {

// In the order of the enumeration, which `row_of` indexes by.
constexpr std::array<DTypeRow, 13> rows = {{
    {DType::boolean, "bool", "BOOL", ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, 1},
    {DType::float16, "float16", "F16", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, 2},
    {DType::float32, "float32", "F32", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, 4},
    {DType::float64, "float64", "F64", ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, 8},
    {DType::int16, "int16", "I16", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, 2},
    {DType::int32, "int32", "I32", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, 4},
    {DType::int64, "int64", "I64", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, 8},
    {DType::int8, "int8", "I8", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, 1},
    {DType::string, "string", "", ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, 0},
    {DType::uint16, "uint16", "U16", ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, 2},
    {DType::uint32, "uint32", "U32", ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, 4},
    {DType::uint64, "uint64", "U64", ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, 8},
    {DType::uint8, "uint8", "U8", ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, 1},
}};

template <class Test>
const DTypeRow* first(Test test) {
  const auto* place = std::find_if(rows.begin(), rows.end(), test);
  return place == rows.end() ? nullptr : place;
}

}  // namespace

const DTypeRow& row_of(DType dtype) { return rows.at(static_cast<std::size_t>(dtype)); }

const DTypeRow* row_by_word(std::string_view word) {
  return first([&](const DTypeRow& row) { return row.word == word; });
}

const DTypeRow* row_by_safetensors(std::string_view name) {
  return first([&](const DTypeRow& row) { return !name.empty() && row.safetensors == name; });
}

const DTypeRow* row_by_onnx(int onnx) {
  return first([&](const DTypeRow& row) { return row.onnx == onnx; });
}

bool is_float(DType dtype) {
  return dtype == DType::float16 || dtype == DType::float32 || dtype == DType::float64;
}

}  // namespace detail

const char* to_string(DType dtype) noexcept {
  const auto index = static_cast<std::size_t>(dtype);
  return index < detail::rows.size() ? detail::rows[index].word : "unknown";
}

}  // namespace bundle
