// What the two programs in C++ share: their arguments, and the loop that answers questions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

using Shape = std::vector<std::int64_t>;
/// The calls by their kind; `answer` is apart, since it replies no time.
using Kinds = std::map<std::string, std::function<void()>>;

/// The arguments of a program, as the package's docstring names them.
struct Plan {
  explicit Plan(char** arguments)
      : bundle(arguments[1]),
        model(bundle + "/" + arguments[2]),
        input(arguments[3]),
        input_shape(shape(arguments[4])),
        output(arguments[5]),
        output_shape(shape(arguments[6])),
        rows(std::strtoll(arguments[7], nullptr, 10)),
        piece(std::strtoll(arguments[8], nullptr, 10)) {}

  /// The same shape with so many rows.
  static Shape with_rows(Shape shape, std::int64_t rows) {
    shape[0] = rows;
    return shape;
  }

  std::string bundle, model, input;
  Shape input_shape;
  std::string output;
  Shape output_shape;
  std::int64_t rows, piece;

 private:
  static Shape shape(const char* text) {
    Shape sizes;
    for (char* rest = const_cast<char*>(text); *rest != '\0'; rest += *rest == 'x') {
      sizes.push_back(std::strtoll(rest, &rest, 10));
    }
    return sizes;
  }
};

inline std::size_t count_of(const Shape& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) {
    count *= static_cast<std::size_t>(size);
  }
  return count;
}

/// Elements at a multiple of 64 bytes, as the predictors want them.
struct Values {
  explicit Values(std::size_t elements)
      : data(static_cast<float*>(std::aligned_alloc(64, (4 * elements + 63) / 64 * 64)), &std::free),
        count(elements) {
    for (std::size_t index = 0; index < elements; ++index) {
      data.get()[index] = static_cast<float>(index % 17) / 16.0F;
    }
  }

  std::unique_ptr<float, void (*)(void*)> data;
  std::size_t count;
};

inline void print_hex(const float* values, std::size_t count) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(values);
  for (std::size_t index = 0; index < 4 * count; ++index) {
    std::printf("%02x", bytes[index]);
  }
  std::printf("\n");
}

inline void serve(const Kinds& kinds, const std::function<void()>& answer) {
  std::string kind;
  long count = 0;
  while (std::cin >> kind >> count) {
    if (kind == "answer") {
      answer();
    } else {
      const auto& call = kinds.at(kind);
      const auto start = std::chrono::steady_clock::now();
      for (long index = 0; index < count; ++index) {
        call();
      }
      std::printf("%lld\n", static_cast<long long>((std::chrono::steady_clock::now() - start).count()));
    }
    std::fflush(stdout);
  }
}
