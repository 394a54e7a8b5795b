// Golden cases: real inputs with the outputs that they must give.
#pragma once

#include "bundle/bundle.hpp"
#include "manifest_data.hpp"
#include "ports.hpp"

namespace bundle::detail {

struct GoldenCase {
  /// Every input; the outputs of the source model, maybe not all; every output as the variant gave it.
  TensorMap inputs, source, recorded;
};

/// Reads a case for one variant. Throws Error `golden_malformed`, `file_missing` or `file_not_regular`.
GoldenCase load_case(const Bundle& bundle, const GoldenFile& file, const std::string& variant);

}  // namespace bundle::detail
