#include "bundle/tensor.hpp"

#include <exception>
#include <limits>
#include <utility>

#include "align.hpp"
#include "bundle/error.hpp"
#include "dtype.hpp"

namespace bundle {

namespace {

Error unusable(const std::string& expected, const std::string& found) {
  return {"usage_invalid", ".", expected, found};
}

}  // namespace

Tensor::Tensor() : shape_{0}, data_(detail::no_elements()) {}

Tensor::Tensor(DType dtype, std::vector<std::int64_t> shape) : dtype_(dtype), shape_(std::move(shape)) {
  const std::size_t element =
      detail::row_of(dtype).size == 0 ? sizeof(std::string) : detail::row_of(dtype).size;
  const auto most = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / element;
  std::size_t product = 1;
  bool empty = false;
  bool fits = true;
  for (const std::int64_t size : shape_) {
    if (size < 0) {
      throw unusable("a shape of sizes", std::to_string(size));
    }
    empty = empty || size == 0;
    fits = fits && (size == 0 || product <= most / static_cast<std::size_t>(size));
    product = fits && size > 0 ? product * static_cast<std::size_t>(size) : product;
  }
  if (!empty && !fits) {
    throw unusable("a shape that memory can hold", "a larger one");
  }
  count_ = empty ? 0 : product;
}

Tensor Tensor::zeros(DType dtype, std::vector<std::int64_t> shape) {
  Tensor tensor(dtype, std::move(shape));
  if (dtype == DType::string) {
    try {
      tensor.strings_ = std::make_shared<std::vector<std::string>>(tensor.count_);
    } catch (const std::exception&) {  // std::bad_alloc, or std::length_error beyond what a vector can have
      throw unusable("memory for " + std::to_string(tensor.count_) + " strings", "none");
    }
    return tensor;
  }
  tensor.owner_ = detail::aligned_memory(tensor.bytes());
  if (tensor.owner_ == nullptr) {
    throw unusable("memory for " + std::to_string(tensor.bytes()) + " bytes", "none");
  }
  tensor.data_ = tensor.owner_.get();
  return tensor;
}

Tensor Tensor::borrow(DType dtype, std::vector<std::int64_t> shape, void* data) {
  return adopt(dtype, std::move(shape), data, nullptr);
}

Tensor Tensor::borrow(DType dtype, std::vector<std::int64_t> shape, const void* data) {
  // Never written through: `writable_` sees to it.
  Tensor tensor = adopt(dtype, std::move(shape), const_cast<void*>(data), nullptr);
  tensor.writable_ = false;
  return tensor;
}

Tensor Tensor::adopt(DType dtype, std::vector<std::int64_t> shape, void* data, std::shared_ptr<void> owner) {
  if (dtype == DType::string) {
    throw unusable("elements of numbers or booleans", "strings");
  }
  Tensor tensor(dtype, std::move(shape));
  if (data == nullptr && tensor.count_ > 0) {
    throw unusable("an address of elements", "null");
  }
  tensor.data_ = data == nullptr ? detail::no_elements() : data;
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::of_strings(std::vector<std::int64_t> shape, std::vector<std::string> elements) {
  Tensor tensor(DType::string, std::move(shape));
  // Compared before any memory is asked for: the shape may come from a file, and promise any number.
  if (elements.size() != tensor.count_) {
    throw unusable(std::to_string(tensor.count_) + " strings", std::to_string(elements.size()));
  }
  tensor.strings_ = std::make_shared<std::vector<std::string>>(std::move(elements));
  return tensor;
}

std::size_t Tensor::bytes() const noexcept { return count_ * detail::row_of(dtype_).size; }

void* Tensor::data() noexcept { return writable_ ? data_ : nullptr; }

const std::vector<std::string>& Tensor::strings() const noexcept {
  static const std::vector<std::string> none;
  return strings_ == nullptr ? none : *strings_;
}

void Tensor::assign(std::vector<std::string> elements) {
  if (strings_ == nullptr || elements.size() != count_) {
    throw unusable(std::to_string(count_) + " strings", std::to_string(elements.size()));
  }
  *strings_ = std::move(elements);
}

}  // namespace bundle
