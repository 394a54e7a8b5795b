#include "placement.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "align.hpp"
#include "dtype.hpp"
#include "text.hpp"

namespace bundle::driver {

using detail::Array;
using detail::DTypeRow;
using detail::Json;

namespace {

constexpr std::int64_t max_offset = 15;
// No request carries as much as this, so a buffer of more is a misprint, and not worth the memory.
constexpr std::size_t most_bytes = std::size_t{1} << 30;

struct Form {
  DType dtype;
  std::vector<std::int64_t> shape;
  std::size_t offset;
};

Error no_tensor(const std::string& op, const std::string& expected) {
  return {"usage_invalid", op, expected, "another tensor"};
}

Form form_of(const std::string& op, const Json& tree) {
  const Json* dtype = tree.find("dtype");
  const DTypeRow* row =
      dtype == nullptr || dtype->text() == nullptr ? nullptr : detail::row_by_word(*dtype->text());
  const Json* shape = tree.find("shape");
  if (row == nullptr || shape == nullptr || shape->array() == nullptr) {
    throw no_tensor(op, "an object with a dtype and a shape");
  }
  Form form{row->dtype, {}, 0};
  for (const Json& size : *shape->array()) {
    if (size.integer() == nullptr || *size.integer() < 0) {
      throw no_tensor(op, "a shape of sizes");
    }
    form.shape.push_back(*size.integer());
  }
  if (const Json* offset = tree.find("offset")) {
    if (offset->integer() == nullptr || *offset->integer() < 0 || *offset->integer() > max_offset) {
      throw no_tensor(op, "an offset of 0 to 15");
    }
    form.offset = static_cast<std::size_t>(*offset->integer());
  }
  return form;
}

/// The elements that a shape has, where memory could have as many bytes.
std::size_t count_of(const std::string& op, const Form& form) {
  try {
    return Tensor::borrow(DType::int8, form.shape, detail::no_elements()).count();
  } catch (const Error& error) {
    throw no_tensor(op, error.expected());
  }
}

Tensor placed(const std::string& op, const Form& form) {
  const std::size_t bytes = count_of(op, form) * detail::row_of(form.dtype).size;
  const std::shared_ptr<void> memory = detail::aligned_memory(bytes, form.offset);
  if (memory == nullptr) {
    throw no_tensor(op, "memory for " + std::to_string(bytes) + " bytes");
  }
  return Tensor::adopt(form.dtype, form.shape, memory.get(), memory);
}

std::vector<std::string> decode_strings(const std::string& op, const Json* data) {
  std::vector<std::string> elements;
  if (data == nullptr || data->array() == nullptr) {
    throw no_tensor(op, "a list of strings in hex");
  }
  for (const Json& element : *data->array()) {
    const auto bytes = element.text() == nullptr ? std::nullopt : detail::from_hex(*element.text());
    if (!bytes) {
      throw no_tensor(op, "a list of strings in hex");
    }
    elements.push_back(*bytes);
  }
  return elements;
}

bool is_big(const std::string& op, const Json& tree) {
  const Json* order = tree.find("byte_order");
  if (order == nullptr) {
    return false;
  }
  if (order->text() == nullptr || (*order->text() != "big" && *order->text() != "little")) {
    throw no_tensor(op, "byte_order `big` or `little`");
  }
  return *order->text() == "big";
}

}  // namespace

Tensor decode(const std::string& op, const std::string& name, const Json& tree) {
  const Form form = form_of(op, tree);
  const Json* data = tree.find("data");
  const bool big = is_big(op, tree);
  if (form.dtype == DType::string) {
    try {
      return Tensor::of_strings(form.shape, decode_strings(op, data));
    } catch (const Error& error) {
      throw no_tensor(op, error.expected());
    }
  }
  const auto bytes =
      data == nullptr || data->text() == nullptr ? std::nullopt : detail::from_hex(*data->text());
  const std::size_t size = detail::row_of(form.dtype).size;
  if (!bytes || bytes->size() % size != 0 || bytes->size() / size != count_of(op, form)) {
    throw no_tensor(op, "as many bytes of data in hex as the shape has");
  }
  Tensor tensor = placed(op, form);
  if (big && detail::row_of(form.dtype).size > 1) {
    throw Error("input_dtype_mismatch", name, "elements in native byte order", "big-endian ones");
  }
  if (!bytes->empty()) {
    std::memcpy(tensor.data(), bytes->data(), bytes->size());
  }
  return tensor;
}

Tensor buffer(const std::string& op, const Json& tree) {
  const Form form = form_of(op, tree);
  if (count_of(op, form) > most_bytes / std::max<std::size_t>(detail::row_of(form.dtype).size, 1)) {
    throw no_tensor(op, "a buffer of 2^30 bytes at most");
  }
  return form.dtype == DType::string ? Tensor::zeros(form.dtype, form.shape) : placed(op, form);
}

Json encode(const Tensor& tensor) {
  Array shape;
  for (const std::int64_t size : tensor.shape()) {
    shape.push_back(Json{size});
  }
  Json data;
  if (tensor.dtype() == DType::string) {
    Array elements;
    for (const std::string& text : tensor.strings()) {
      elements.push_back(Json{detail::to_hex(text)});
    }
    data = Json{std::move(elements)};
  } else {
    data = Json{detail::to_hex({tensor.as<char>(), tensor.bytes()})};
  }
  return detail::make_object({{"dtype", Json{std::string(to_string(tensor.dtype()))}},
                              {"shape", Json{std::move(shape)}},
                              {"data", std::move(data)}});
}

}  // namespace bundle::driver
