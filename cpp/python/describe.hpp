// What a predictor says of itself, as DRIVER.md writes it.
#pragma once

#include <pybind11/pybind11.h>

#include "bundle/predictor.hpp"

namespace bundle::python {

/// The fields of the reply to `open`.
pybind11::dict described(const Predictor& predictor);

/// The fields of the reply to `self_test`, with `source_worst`.
pybind11::dict described(const SelfTest& result);

}  // namespace bundle::python
