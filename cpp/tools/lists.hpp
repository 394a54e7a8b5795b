// Tensors as a person writes them: nested lists.
#pragma once

#include "bundle/predictor.hpp"
#include "json.hpp"

namespace bundle::driver {

/// Returns the tensor of nested lists, or of a bare value for rank 0; elements take the dtype of `port`.
/// Throws Error `usage_invalid` about the input.
Tensor from_lists(const Port& port, const detail::Json& tree);

/// Returns nested lists where JSON has a word for every element (it has none for NaN), else a TENSOR.
detail::Json to_lists(const Tensor& tensor);

}  // namespace bundle::driver
