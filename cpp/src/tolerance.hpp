// The named tolerances of spec/tolerances.json.
#pragma once

#include <string>

#include "bundle/tensor.hpp"
#include "manifest_data.hpp"

namespace bundle::detail {

struct Difference {
  bool ok = false;
  /// The largest absolute difference.
  double worst = 0;
  std::int64_t flips = 0;
  std::int64_t near_ties = 0;
};

/// Compares a tensor with its reference; `decision` is what the output decides.
Difference compare(const Tensor& actual, const Tensor& reference, const Tolerance& tolerance,
                   const std::string& decision);

}  // namespace bundle::detail
