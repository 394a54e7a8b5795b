#include "selftest.hpp"

#include <algorithm>

#include "bundle/error.hpp"
#include "golden.hpp"
#include "tolerance.hpp"

namespace bundle::detail {

namespace {

const Variant& variant_of(const Predictor& predictor) {
  const std::vector<Variant>& variants = predictor.bundle().manifest().data().variants;
  return *std::find_if(variants.begin(), variants.end(),
                       [&](const Variant& one) { return one.name == predictor.variant(); });
}

CaseResult replay(const Predictor& predictor, const GoldenFile& file) {
  const GoldenCase golden = load_case(predictor.bundle(), file, predictor.variant());
  const Tensors actual = predictor.predict(golden.inputs);
  const Variant& variant = variant_of(predictor);
  CaseResult result{file.name, true, {}};
  for (std::size_t i = 0; i < predictor.outputs().size(); ++i) {
    const Port& port = predictor.outputs()[i];
    const Tensor& value = actual.at(port.name);
    const Difference difference =
        compare(value, golden.recorded.at(port.name), variant.tolerances[i], port.decision);
    OutputResult output{port.name, difference.ok, difference.flips, difference.near_ties, difference.worst,
                        {}};
    if (const auto source = golden.source.find(port.name); source != golden.source.end()) {
      output.source_worst = compare(value, source->second, variant.tolerances[i], port.decision).worst;
    }
    result.passed = result.passed && output.passed;
    result.outputs.push_back(std::move(output));
  }
  return result;
}

}  // namespace

SelfTest self_test(const Predictor& predictor) {
  const std::vector<GoldenFile>& cases = predictor.bundle().manifest().data().golden;
  if (cases.empty()) {
    throw Error("golden_missing", ".", "at least one golden case", "none");
  }
  SelfTest result{true, {}};
  for (const GoldenFile& file : cases) {
    result.cases.push_back(replay(predictor, file));
    result.passed = result.passed && result.cases.back().passed;
  }
  return result;
}

}  // namespace bundle::detail
