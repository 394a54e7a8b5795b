#include "describe.hpp"

#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <cstdio>

namespace bundle::python {

namespace py = pybind11;
using py::literals::operator""_a;

namespace {

py::list ports(const std::vector<Port>& all) {
  py::list list;
  for (const Port& port : all) {
    list.append(py::dict("name"_a = port.name, "dtype"_a = to_string(port.dtype), "shape"_a = port.shape));
  }
  return list;
}

std::string decimal(double value) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%.9g", value);
  return std::isinf(value) ? "inf" : digits.data();
}

py::dict output(const OutputResult& result) {
  py::dict tree("name"_a = result.name, "passed"_a = result.passed, "flips"_a = result.flips,
                "near_ties"_a = result.near_ties, "worst"_a = decimal(result.worst));
  if (result.source_worst) {
    tree["source_worst"] = decimal(*result.source_worst);
  }
  return tree;
}

}  // namespace

py::dict described(const Predictor& predictor) {
  return py::dict("variant"_a = predictor.variant(), "format"_a = predictor.format(),
                  "reason"_a = predictor.reason(), "providers"_a = predictor.providers(),
                  "provider_reasons"_a = predictor.provider_reasons(), "session"_a = predictor.session(),
                  "inputs"_a = ports(predictor.inputs()), "outputs"_a = ports(predictor.outputs()));
}

py::dict described(const SelfTest& result) {
  py::list cases;
  for (const CaseResult& one : result.cases) {
    py::list outputs;
    for (const OutputResult& each : one.outputs) {
      outputs.append(output(each));
    }
    cases.append(py::dict("name"_a = one.name, "passed"_a = one.passed, "outputs"_a = outputs));
  }
  return py::dict("passed"_a = result.passed, "cases"_a = cases);
}

}  // namespace bundle::python
