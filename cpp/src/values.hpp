// Elements of tensors at any address.
#pragma once

#include <cstdint>
#include <cstring>

#include "bundle/tensor.hpp"

namespace bundle::detail {

/// Reads an element; the address need not be aligned.
template <class T>
T load(const void* data, std::size_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + index * sizeof(T), sizeof(T));
  return value;
}

/// The index of the first NaN or infinity of a tensor of floats, or its count.
std::size_t first_not_finite(const Tensor& tensor);

/// The value of a float16 in its 16 bits of storage.
double half_value(std::uint16_t bits);

}  // namespace bundle::detail
