// Tensors of the driver's requests, placed in memory as a request asks for.
#pragma once

#include <string>

#include "bundle/predictor.hpp"
#include "json.hpp"

namespace bundle::driver {

/// Returns the tensor of a TENSOR of DRIVER.md, at the address that it asks for.
/// Throws Error `usage_invalid` about `op` where it is none, `input_dtype_mismatch` NAME for big-endian
/// elements, which C++ has no word for.
Tensor decode(const std::string& op, const std::string& name, const detail::Json& tree);

/// Returns a buffer for an output: dtype, shape and address of a TENSOR, whatever its data says.
Tensor buffer(const std::string& op, const detail::Json& tree);

/// Returns a TENSOR.
detail::Json encode(const Tensor& tensor);

}  // namespace bundle::driver
