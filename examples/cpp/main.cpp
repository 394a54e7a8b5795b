// Prints what the model of a bundle of digits makes of an empty image.
#include <bundle/predictor.hpp>
#include <iostream>

int main(int, char** arguments) {
  const auto predictor = bundle::Predictor::open(arguments[1]);
  const auto image = bundle::Tensor::zeros(bundle::DType::float32, {1, 1, 8, 8});
  const auto outputs = predictor.predict({{"image", image}});
  for (int digit = 0; digit < 10; ++digit) {
    std::cout << outputs.at("probabilities").as<float>()[digit] << '\n';
  }
}
