#include "arrays.hpp"

#include <array>
#include <memory>
#include <utility>

namespace bundle::python {

namespace {

using Numpy = py::detail::npy_api;

// What numpy calls float16; pybind11 has no name for it.
constexpr int half_type = 23;

struct TypeRow {
  DType dtype;
  int number;
  char kind;
  int size;
};

constexpr std::array<TypeRow, 13> types = {{
    {DType::boolean, Numpy::NPY_BOOL_, 'b', 1},
    {DType::float16, half_type, 'f', 2},
    {DType::float32, Numpy::NPY_FLOAT_, 'f', 4},
    {DType::float64, Numpy::NPY_DOUBLE_, 'f', 8},
    {DType::int16, Numpy::NPY_INT16_, 'i', 2},
    {DType::int32, Numpy::NPY_INT32_, 'i', 4},
    {DType::int64, Numpy::NPY_INT64_, 'i', 8},
    {DType::int8, Numpy::NPY_INT8_, 'i', 1},
    {DType::string, Numpy::NPY_OBJECT_, 'O', static_cast<int>(sizeof(PyObject*))},
    {DType::uint16, Numpy::NPY_UINT16_, 'u', 2},
    {DType::uint32, Numpy::NPY_UINT32_, 'u', 4},
    {DType::uint64, Numpy::NPY_UINT64_, 'u', 8},
    {DType::uint8, Numpy::NPY_UINT8_, 'u', 1},
}};

DType dtype_of(const py::array& array) {
  const py::dtype given = array.dtype();
  for (const TypeRow& row : types) {
    if (row.kind == given.kind() && row.size == given.itemsize()) {
      return row.dtype;
    }
  }
  throw py::type_error("an array of an element type of the format is needed");
}

int number_of(DType dtype) {
  for (const TypeRow& row : types) {
    if (row.dtype == dtype) {
      return row.number;
    }
  }
  throw py::type_error("a tensor of an unknown type");
}

std::vector<std::string> strings_of(const py::array& array) {
  auto* const* elements = static_cast<PyObject* const*>(array.data());
  std::vector<std::string> strings;
  strings.reserve(static_cast<std::size_t>(array.size()));
  for (py::ssize_t i = 0; i < array.size(); ++i) {
    Py_ssize_t length = 0;
    const char* text = PyUnicode_AsUTF8AndSize(elements[i], &length);
    if (text == nullptr) {
      throw py::error_already_set();
    }
    strings.emplace_back(text, static_cast<std::size_t>(length));
  }
  return strings;
}

py::array text_array(const Tensor& tensor) {
  py::array array(py::dtype(Numpy::NPY_OBJECT_), tensor.shape());
  auto** elements = static_cast<PyObject**>(array.mutable_data());
  for (std::size_t i = 0; i < tensor.strings().size(); ++i) {
    const std::string& text = tensor.strings()[i];
    PyObject* element = PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
    if (element == nullptr) {
      PyErr_Clear();
      throw Error("runtime_failure", ".", "text in UTF-8 from the model", "other bytes");
    }
    Py_XDECREF(std::exchange(elements[i], element));
  }
  return array;
}

}  // namespace

Lent::Lent(const py::dict& arrays, bool writable) {
  owners_.reserve(arrays.size());
  for (const auto& [key, value] : arrays) {
    auto array = py::reinterpret_borrow<py::array>(value);
    if (!py::isinstance<py::array>(value)) {
      throw py::type_error("a mapping of names to arrays is needed");
    }
    auto name = py::cast<std::string>(key);
    const DType dtype = dtype_of(array);
    std::vector<std::int64_t> shape(array.shape(), array.shape() + array.ndim());
    if (dtype == DType::string) {
      tensors_.emplace(name, Tensor::of_strings(std::move(shape), strings_of(array)));
      texts_.emplace(std::move(name), array);
      continue;
    }
    tensors_.emplace(std::move(name), writable ? Tensor::borrow(dtype, std::move(shape), array.mutable_data())
                                               : Tensor::borrow(dtype, std::move(shape), array.data()));
    owners_.push_back(array);
  }
}

void Lent::refresh() {
  for (const auto& [name, array] : texts_) {
    tensors_.at(name).assign(strings_of(array));
  }
}

py::array to_array(const Tensor& tensor) {
  if (tensor.dtype() == DType::string) {
    return text_array(tensor);
  }
  auto owner = std::make_unique<Tensor>(tensor);
  void* data = owner->data();
  const py::capsule keeper(owner.get(), [](void* kept) { delete static_cast<Tensor*>(kept); });
  [[maybe_unused]] const Tensor* kept = owner.release();
  return {py::dtype(number_of(tensor.dtype())), tensor.shape(), {}, data, keeper};
}

py::dict to_arrays(const std::vector<Port>& ports, const Tensors& tensors) {
  py::dict arrays;
  for (const Port& port : ports) {
    arrays[py::str(port.name)] = to_array(tensors.at(port.name));
  }
  return arrays;
}

}  // namespace bundle::python
