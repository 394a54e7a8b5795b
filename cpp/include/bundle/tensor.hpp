// Tensors: what calls take and give.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bundle {

/// The element types of the format. `float16` is 16 bits of storage (std::uint16_t), `boolean` one byte of 0
/// or 1.
enum class DType {
  boolean,
  float16,
  float32,
  float64,
  int16,
  int32,
  int64,
  int8,
  string,
  uint16,
  uint32,
  uint64,
  uint8,
};

/// Returns the word that the format has for an element type, such as `float32`.
const char* to_string(DType dtype) noexcept;

/// Elements of one type in C order, and a shape; rank 0 holds one element, and a size may be 0.
///
/// A tensor owns its elements or borrows them; copies of a tensor share the same elements. Strings are always
/// owned. Reading is safe from many threads at once; writing through `data` is the caller's to order.
class Tensor {
 public:
  /// A float32 tensor of shape [0].
  Tensor();

  /// Returns an owning tensor of zeros (of empty strings) at a multiple of 64 bytes.
  /// @throws Error `usage_invalid`: a negative size, or more bytes than memory can hold.
  static Tensor zeros(DType dtype, std::vector<std::int64_t> shape);

  /// Returns a tensor over memory of the caller, which must outlive it and every copy of it. No strings.
  /// @throws Error `usage_invalid`.
  static Tensor borrow(DType dtype, std::vector<std::int64_t> shape, void* data);
  /// The same over memory that is never written: it can be an input, and no output buffer.
  static Tensor borrow(DType dtype, std::vector<std::int64_t> shape, const void* data);

  /// Returns an owning tensor of strings, UTF-8, in C order.
  /// @throws Error `usage_invalid`: not as many strings as the shape asks for.
  static Tensor of_strings(std::vector<std::int64_t> shape, std::vector<std::string> elements);

  DType dtype() const noexcept { return dtype_; }
  const std::vector<std::int64_t>& shape() const noexcept { return shape_; }
  /// The number of elements.
  std::size_t count() const noexcept { return count_; }
  /// The size of the elements in bytes; 0 for strings.
  std::size_t bytes() const noexcept;
  bool writable() const noexcept { return writable_; }

  /// The elements; null for strings, and maybe null where there are none.
  const void* data() const noexcept { return data_; }
  /// The elements for writing; null for strings, and for memory that was borrowed for reading only.
  void* data() noexcept;
  /// The elements as `T`, whose size must be that of an element: `tensor.as<float>()[0]`.
  template <class T>
  const T* as() const noexcept {
    return static_cast<const T*>(data());
  }
  template <class T>
  T* as() noexcept {
    return static_cast<T*>(data());
  }

  /// The elements of a tensor of strings; empty for other types.
  const std::vector<std::string>& strings() const noexcept;
  /// Replaces the strings in place, for every copy of this tensor too.
  /// @throws Error `usage_invalid`: this is no tensor of strings, or the count differs.
  void assign(std::vector<std::string> elements);

  /// Returns a tensor over memory that `owner` keeps alive.
  static Tensor adopt(DType dtype, std::vector<std::int64_t> shape, void* data, std::shared_ptr<void> owner);

 private:
  Tensor(DType dtype, std::vector<std::int64_t> shape);

  DType dtype_ = DType::float32;
  std::vector<std::int64_t> shape_;
  std::size_t count_ = 0;
  void* data_ = nullptr;
  bool writable_ = true;
  std::shared_ptr<void> owner_;
  std::shared_ptr<std::vector<std::string>> strings_;
};

}  // namespace bundle
