// The predictor in C++.
#include <bundle/predictor.hpp>

#include "loop.hpp"

int main(int /*count*/, char** arguments) {
  const Plan plan(arguments);
  const auto options = bundle::Options().set("format", "onnx");
  const auto predictor = bundle::Predictor::open(plan.bundle, options);
  const Shape many = Plan::with_rows(plan.input_shape, plan.rows);
  const Values row(count_of(plan.input_shape));
  const Values rows(count_of(many));
  const Values result(count_of(plan.output_shape));
  const auto over = [](const Shape& shape, const Values& values) {
    return bundle::Tensor::borrow(bundle::DType::float32, shape, values.data.get());
  };
  const bundle::Tensors one = {{plan.input, over(plan.input_shape, row)}};
  const bundle::Tensors all = {{plan.input, over(many, rows)}};
  auto call = predictor.bind(one, {{plan.output, over(plan.output_shape, result)}});
  const Kinds kinds = {{"bound", [&] { call.run(); }},
                       {"predict", [&] { predictor.predict(one); }},
                       {"whole", [&] { predictor.predict(all); }},
                       {"pieces", [&] { predictor.predict_batch(all, plan.piece); }},
                       {"open", [&] { bundle::Predictor::open(plan.bundle, options).close(); }}};
  serve(kinds, [&] {
    const auto answers = predictor.predict(one);
    const bundle::Tensor& answer = answers.at(plan.output);
    print_hex(answer.as<float>(), answer.count());
  });
}
