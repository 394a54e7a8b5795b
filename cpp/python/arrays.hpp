// Tensors as numpy arrays, and numpy arrays as tensors.
#pragma once

#include <pybind11/numpy.h>

#include <map>
#include <string>
#include <vector>

#include "bundle/predictor.hpp"

namespace bundle::python {

namespace py = pybind11;

/// Arrays of a call as tensors over the same memory, which they keep alive; text is copied.
class Lent {
 public:
  /// Takes C-contiguous arrays by name.
  /// @param writable whether the tensors are for writing.
  /// Throws py::type_error for what is no array of the format.
  Lent(const py::dict& arrays, bool writable);

  const Tensors& tensors() const { return tensors_; }
  Tensors& tensors() { return tensors_; }
  /// Copies text again from its arrays.
  void refresh();

 private:
  Tensors tensors_;
  std::map<std::string, py::array> texts_;
  std::vector<py::object> owners_;
};

/// Returns the tensor as an array that keeps its memory alive; text becomes `str`.
/// Throws Error `runtime_failure` for text that is no UTF-8.
py::array to_array(const Tensor& tensor);

/// Returns arrays by name in the order of `ports`.
py::dict to_arrays(const std::vector<Port>& ports, const Tensors& tensors);

}  // namespace bundle::python
