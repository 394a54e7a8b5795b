#include "tolerance.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "dtype.hpp"
#include "spec.hpp"
#include "values.hpp"

namespace bundle::detail {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
/// The decision `threshold`: probabilities at even odds.
constexpr double threshold = 0.5;

/// An element as float64.
double value_at(const Tensor& tensor, std::size_t i) {
  const void* data = tensor.data();
  switch (tensor.dtype()) {
    case DType::float16:
      return half_value(load<std::uint16_t>(data, i));
    case DType::float32:
      return static_cast<double>(load<float>(data, i));
    case DType::float64:
      return load<double>(data, i);
    case DType::int16:
      return load<std::int16_t>(data, i);
    case DType::int32:
      return load<std::int32_t>(data, i);
    case DType::int64:
      return static_cast<double>(load<std::int64_t>(data, i));
    case DType::int8:
      return load<std::int8_t>(data, i);
    case DType::uint16:
      return load<std::uint16_t>(data, i);
    case DType::uint32:
      return load<std::uint32_t>(data, i);
    case DType::uint64:
      return static_cast<double>(load<std::uint64_t>(data, i));
    case DType::boolean:
    case DType::uint8:
      return load<std::uint8_t>(data, i);
    case DType::string:
      break;
  }
  return 0;
}

bool same_bits(const Tensor& a, const Tensor& b, std::size_t i) {
  if (a.dtype() == DType::string) {
    return a.strings()[i] == b.strings()[i];
  }
  const std::size_t size = row_of(a.dtype()).size;
  return std::memcmp(a.as<char>() + i * size, b.as<char>() + i * size, size) == 0;
}

/// |a - b|: 0 for equals and for NaN beside NaN, infinite for every other mismatch.
double error_at(const Tensor& a, const Tensor& b, std::size_t i) {
  if (same_bits(a, b, i)) {
    return 0;
  }
  if (a.dtype() == DType::string || a.dtype() == DType::boolean) {
    return infinite;
  }
  const double first = value_at(a, i);
  const double second = value_at(b, i);
  if (first == second && is_float(a.dtype())) {
    return 0;
  }
  if (std::isnan(first) && std::isnan(second)) {
    return 0;
  }
  const double error = std::fabs(first - second);
  return std::isnan(error) ? infinite : error;
}

/// Whether two elements differ in their bits, NaN payloads aside.
bool differs(const Tensor& a, const Tensor& b, std::size_t i) {
  const bool both_nan = is_float(a.dtype()) && std::isnan(value_at(a, i)) && std::isnan(value_at(b, i));
  return !both_nan && !same_bits(a, b, i);
}

/// How far a value may lie from the reference, one number for the whole tensor.
double limit_of(const Tensor& reference, const Tolerance& tolerance) {
  const double slack = tolerance.bound + tolerance.quanta * tolerance.step;
  const Json* bounds =
      table("tolerances").at("words").at("close").at("bounds").find(to_string(reference.dtype()));
  if (tolerance.word == "exact" || bounds == nullptr) {
    return slack;
  }
  double largest = 0;
  for (std::size_t i = 0; i < reference.count(); ++i) {
    const double value = std::fabs(value_at(reference, i));
    largest = std::isfinite(value) ? std::max(largest, value) : largest;
  }
  auto number = [&](const char* name) {
    return std::strtod(bounds->at(name).number()->text.c_str(), nullptr);
  };
  return slack + (number("atol") + number("rtol") * largest);
}

/// A decision of a row: which entry, and by how much it leads.
struct Decision {
  std::size_t index = 0;
  double margin = infinite;
};

Decision argmax(const Tensor& tensor, std::size_t begin, std::size_t count) {
  Decision best;
  double top = -infinite;
  double second = -infinite;
  for (std::size_t i = 0; i < count; ++i) {
    const double value = value_at(tensor, begin + i);
    if (std::isnan(value)) {  // the first NaN decides, and nothing is near it
      return {i, infinite};
    }
    if (i == 0 || value > top) {
      second = i == 0 ? second : top;
      top = value;
      best.index = i;
    } else {
      second = std::max(second, value);
    }
  }
  // Two infinities that are equal have the margin 0, and their difference is NaN.
  if (count > 1) {
    best.margin = top == second ? 0 : top - second;
  }
  return best;
}

void count_change(double margin, double bound, Difference& difference) {
  ++(margin <= bound ? difference.near_ties : difference.flips);
}

void count_decisions(const Tensor& actual, const Tensor& reference, const std::string& decision, double bound,
                     Difference& difference) {
  const std::size_t count = reference.count();
  if (decision == "argmax") {
    const std::vector<std::int64_t>& shape = reference.shape();
    const std::size_t row = shape.empty() ? 0 : static_cast<std::size_t>(shape.back());
    for (std::size_t begin = 0; row > 0 && begin < count; begin += row) {
      const Decision expected = argmax(reference, begin, row);
      if (argmax(actual, begin, row).index != expected.index) {
        count_change(expected.margin, bound, difference);
      }
    }
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const double value = value_at(reference, i);
    if (decision == "threshold" && (value_at(actual, i) > threshold) != (value > threshold)) {
      count_change(std::fabs(value - threshold), bound, difference);
    } else if (decision == "equal" && error_at(actual, reference, i) > 0) {
      ++difference.flips;
    }
  }
}

}  // namespace

Difference compare(const Tensor& actual, const Tensor& reference, const Tolerance& tolerance,
                   const std::string& decision) {
  Difference difference;
  if (actual.dtype() != reference.dtype() || actual.shape() != reference.shape()) {
    difference.worst = infinite;
    return difference;
  }
  const double limit = limit_of(reference, tolerance);
  const bool by_bits = tolerance.word == "exact" || limit == 0;
  difference.ok = true;
  for (std::size_t i = 0; i < reference.count(); ++i) {
    const double error = error_at(actual, reference, i);
    difference.worst = std::max(difference.worst, error);
    if (by_bits ? differs(actual, reference, i) : error > limit) {
      difference.ok = false;
    }
  }
  count_decisions(actual, reference, decision, limit, difference);
  return difference;
}

}  // namespace bundle::detail
