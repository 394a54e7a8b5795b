#include "lists.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "dtype.hpp"
#include "placement.hpp"
#include "text.hpp"
#include "values.hpp"

namespace bundle::driver {

using detail::Array;
using detail::Json;
using detail::load;

namespace {

Error misfit(const Port& port, const std::string& found) {
  return {"usage_invalid", port.name, std::string("lists of ") + to_string(port.dtype), found};
}

/// Follows the first element of each list; the others are compared with it later.
std::vector<std::int64_t> shape_of(const Json& tree) {
  std::vector<std::int64_t> shape;
  const Json* inside = &tree;
  while (inside != nullptr && inside->array() != nullptr) {
    shape.push_back(static_cast<std::int64_t>(inside->array()->size()));
    inside = inside->array()->empty() ? nullptr : &inside->array()->front();
  }
  return shape;
}

void flatten(const Port& port, const Json& tree, const std::vector<std::int64_t>& shape, std::size_t depth,
             std::vector<const Json*>& elements) {
  if (depth == shape.size()) {
    if (tree.array() != nullptr) {
      throw misfit(port, "lists of unequal depth");
    }
    elements.push_back(&tree);
    return;
  }
  if (tree.array() == nullptr || static_cast<std::int64_t>(tree.array()->size()) != shape[depth]) {
    throw misfit(port, "lists of unequal length");
  }
  for (const Json& one : *tree.array()) {
    flatten(port, one, shape, depth + 1, elements);
  }
}

template <class T>
bool put_integer(Tensor& tensor, std::size_t i, const std::string& digits) {
  T value{};
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, value);
  tensor.as<T>()[i] = value;
  return result.ec == std::errc() && result.ptr == end;
}

/// Rounds to the nearest float16, ties to even; what is too large becomes an infinity.
std::uint16_t half_bits(double value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::fabs(value);
  int exponent = 0;
  std::frexp(size, &exponent);
  // The distance of two neighbors is 2^-24 below 2^-14, and 2^(exponent - 11) from there on.
  const int step = std::max(exponent - 11, -24);
  const double steps = std::nearbyint(std::ldexp(size, -step));
  const double bits = step == -24 ? steps : steps + 1024.0 * (step + 24);
  return static_cast<std::uint16_t>(sign | (bits < 0x7C00 ? static_cast<int>(bits) : 0x7C00));
}

bool put_number(Tensor& tensor, std::size_t i, const std::string& digits) {
  switch (tensor.dtype()) {
    case DType::float16:
      tensor.as<std::uint16_t>()[i] = half_bits(std::strtod(digits.c_str(), nullptr));
      return true;
    case DType::float32:
      tensor.as<float>()[i] = std::strtof(digits.c_str(), nullptr);
      return true;
    case DType::float64:
      tensor.as<double>()[i] = std::strtod(digits.c_str(), nullptr);
      return true;
    case DType::int8:
      return put_integer<std::int8_t>(tensor, i, digits);
    case DType::int16:
      return put_integer<std::int16_t>(tensor, i, digits);
    case DType::int32:
      return put_integer<std::int32_t>(tensor, i, digits);
    case DType::int64:
      return put_integer<std::int64_t>(tensor, i, digits);
    case DType::uint8:
      return put_integer<std::uint8_t>(tensor, i, digits);
    case DType::uint16:
      return put_integer<std::uint16_t>(tensor, i, digits);
    case DType::uint32:
      return put_integer<std::uint32_t>(tensor, i, digits);
    case DType::uint64:
      return put_integer<std::uint64_t>(tensor, i, digits);
    case DType::boolean:
    case DType::string:
      break;
  }
  return false;
}

bool put(Tensor& tensor, std::size_t i, const Json& element) {
  if (const bool* flag = element.boolean()) {
    if (tensor.dtype() == DType::boolean) {
      tensor.as<std::uint8_t>()[i] = *flag ? 1 : 0;
    }
    return tensor.dtype() == DType::boolean;
  }
  const bool number = element.integer() != nullptr || element.number() != nullptr;
  return number && put_number(tensor, i, detail::dump(element));
}

/// Shortest digits that read back as the same number; empty for NaN and infinities.
template <class T>
std::string digits_of(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      return {};
    }
  }
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

std::string digits_at(const Tensor& tensor, std::size_t i) {
  const void* data = tensor.data();
  switch (tensor.dtype()) {
    case DType::float16:
      return digits_of(detail::half_value(load<std::uint16_t>(data, i)));
    case DType::float32:
      return digits_of(load<float>(data, i));
    case DType::float64:
      return digits_of(load<double>(data, i));
    case DType::int8:
      return digits_of(load<std::int8_t>(data, i));
    case DType::int16:
      return digits_of(load<std::int16_t>(data, i));
    case DType::int32:
      return digits_of(load<std::int32_t>(data, i));
    case DType::int64:
      return digits_of(load<std::int64_t>(data, i));
    case DType::uint8:
      return digits_of(load<std::uint8_t>(data, i));
    case DType::uint16:
      return digits_of(load<std::uint16_t>(data, i));
    case DType::uint32:
      return digits_of(load<std::uint32_t>(data, i));
    case DType::uint64:
      return digits_of(load<std::uint64_t>(data, i));
    case DType::boolean:
      return load<std::uint8_t>(data, i) != 0 ? "true" : "false";
    case DType::string:
      break;
  }
  return {};
}

/// An element as JSON; null where JSON has no word for it.
Json element_at(const Tensor& tensor, std::size_t i) {
  if (tensor.dtype() == DType::string) {
    return detail::is_utf8(tensor.strings()[i]) ? Json{tensor.strings()[i]} : Json{};
  }
  const std::string digits = digits_at(tensor, i);
  return digits.empty() ? Json{} : Json{detail::Number{digits}};
}

Json nest(const std::vector<Json>& elements, const std::vector<std::int64_t>& shape, std::size_t depth,
          std::size_t& next) {
  if (depth == shape.size()) {
    return elements[next++];
  }
  Array items;
  for (std::int64_t i = 0; i < shape[depth]; ++i) {
    items.push_back(nest(elements, shape, depth + 1, next));
  }
  return Json{std::move(items)};
}

}  // namespace

Tensor from_lists(const Port& port, const Json& tree) {
  const std::vector<std::int64_t> shape = shape_of(tree);
  std::vector<const Json*> elements;
  flatten(port, tree, shape, 0, elements);
  Tensor tensor = Tensor::zeros(port.dtype, shape);
  std::vector<std::string> strings;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const bool fits =
        port.dtype == DType::string ? elements[i]->text() != nullptr : put(tensor, i, *elements[i]);
    if (!fits) {
      throw misfit(port, detail::dump(*elements[i]));
    }
    if (port.dtype == DType::string) {
      strings.push_back(*elements[i]->text());
    }
  }
  if (port.dtype == DType::string) {
    tensor.assign(std::move(strings));
  }
  return tensor;
}

Json to_lists(const Tensor& tensor) {
  std::vector<Json> elements;
  for (std::size_t i = 0; i < tensor.count(); ++i) {
    elements.push_back(element_at(tensor, i));
    if (elements.back().is_null()) {
      return encode(tensor);
    }
  }
  std::size_t next = 0;
  return nest(elements, tensor.shape(), 0, next);
}

}  // namespace bundle::driver
