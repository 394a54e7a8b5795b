#include "safetensors.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "bundle/error.hpp"
#include "dtype.hpp"
#include "json.hpp"
#include "manifest_data.hpp"
#include "text.hpp"
#include "values.hpp"

namespace bundle::detail {

namespace {

using Tensors = std::map<std::string, Tensor>;

constexpr std::size_t length_size = 8;
constexpr std::size_t max_rank = 8;
const std::string metadata_key = "__metadata__";

struct Header {
  Json tree;
  std::size_t data_begin;
};

Header read_header(const std::string& file) {
  if (file.size() < length_size) {
    throw TensorFileError("shorter than the length of its header");
  }
  std::uint64_t length = 0;
  for (std::size_t i = length_size; i > 0; --i) {
    length = length << 8 | static_cast<unsigned char>(file[i - 1]);
  }
  if (length > max_manifest || length > file.size() - length_size || length % length_size != 0) {
    throw TensorFileError("a header whose length cannot be");
  }
  const std::string_view raw(file.data() + length_size, length);
  const std::string_view text = raw.substr(0, raw.find_last_not_of(' ') + 1);
  if (raw.size() - text.size() >= length_size) {
    throw TensorFileError("a header with more than 7 spaces at its end");
  }
  try {
    Parsed parsed = parse_json(text, max_depth, false);
    if (!parsed.deviation.empty() || parsed.tree.object() == nullptr) {
      throw TensorFileError("a header that is no canonical object: " + parsed.deviation);
    }
    return {std::move(parsed.tree), length_size + length};
  } catch (const Malformed& fault) {
    throw TensorFileError(std::string("a header that is no JSON: ") + fault.what());
  }
}

/// Returns a list of integers that are not negative; none where it is something else.
std::optional<std::vector<std::int64_t>> sizes_of(const Json& value) {
  if (value.array() == nullptr) {
    return std::nullopt;
  }
  std::vector<std::int64_t> sizes;
  for (const Json& one : *value.array()) {
    if (one.integer() == nullptr || *one.integer() < 0) {
      return std::nullopt;
    }
    sizes.push_back(*one.integer());
  }
  return sizes;
}

/// Reads one tensor that must begin at `end`, and moves `end` behind it.
Tensor read_tensor(const std::string& key, const Json& entry, const std::shared_ptr<std::string>& file,
                   std::size_t data_begin, std::size_t& end) {
  const bool sound = entry.object() != nullptr && entry.object()->size() == 3 &&
                     entry.find("data_offsets") != nullptr && entry.find("dtype") != nullptr &&
                     entry.find("shape") != nullptr && entry.at("dtype").text() != nullptr;
  if (!sound) {
    throw TensorFileError(quoted(key) + " has other fields than data_offsets, dtype and shape");
  }
  const auto offsets = sizes_of(entry.at("data_offsets"));
  auto shape = sizes_of(entry.at("shape"));
  const DTypeRow* row = row_by_safetensors(entry.str("dtype"));
  if (!offsets || offsets->size() != 2 || !shape || shape->size() > max_rank || row == nullptr) {
    throw TensorFileError(quoted(key) + " has offsets, a shape or a dtype that cannot be");
  }
  const auto first = static_cast<std::uint64_t>((*offsets)[0]);
  const auto last = static_cast<std::uint64_t>((*offsets)[1]);
  if (first != end || last < first || last > file->size() - data_begin) {
    throw TensorFileError(quoted(key) + " does not begin where the one before ended, or runs past the end");
  }
  end = last;
  try {
    Tensor tensor = Tensor::adopt(row->dtype, std::move(*shape), file->data() + data_begin + first, file);
    if (tensor.bytes() != last - first) {
      throw TensorFileError(quoted(key) + " has a shape that does not fill its bytes");
    }
    return tensor;
  } catch (const Error&) {
    throw TensorFileError(quoted(key) + " has a shape that no memory can hold");
  }
}

void check_bools(const std::string& key, const Tensor& tensor) {
  const auto* bytes = tensor.as<unsigned char>();
  if (tensor.dtype() == DType::boolean &&
      std::any_of(bytes, bytes + tensor.count(), [](unsigned char byte) { return byte > 1; })) {
    throw TensorFileError(quoted(key) + " holds a bool that is neither 0 nor 1");
  }
}

/// Reads `string:` and sizes joined by `,`.
std::vector<std::int64_t> string_shape(const std::string& key, const std::string& mark) {
  const std::string prefix = "string:";
  std::vector<std::int64_t> shape;
  if (!begins_with(mark, prefix)) {
    throw TensorFileError(quoted(key) + " is metadata that is about no string");
  }
  std::string_view rest = std::string_view(mark).substr(prefix.size());
  while (!rest.empty() || !shape.empty()) {
    const std::string_view word = rest.substr(0, rest.find(','));
    const bool decimal = !word.empty() && word.size() <= 16 && (word == "0" || word[0] != '0') &&
                         word.find_first_not_of("0123456789") == std::string_view::npos;
    if (!decimal || shape.size() == max_rank) {
      throw TensorFileError(quoted(key) + " has sizes that are none");
    }
    shape.push_back(std::stoll(std::string(word)));
    if (word.size() == rest.size()) {
      break;
    }
    rest.remove_prefix(word.size() + 1);
  }
  return shape;
}

Tensor take(Tensors& tensors, const std::string& key, DType dtype) {
  const auto place = tensors.find(key);
  if (place == tensors.end() || place->second.dtype() != dtype || place->second.shape().size() != 1) {
    throw TensorFileError(quoted(key) + " is not there, or not of its dtype and rank 1");
  }
  Tensor tensor = std::move(place->second);
  tensors.erase(place);
  return tensor;
}

/// Joins the two tensors of a string tensor.
void join_strings(Tensors& tensors, const std::string& key, const std::string& mark) {
  const std::vector<std::int64_t> shape = string_shape(key, mark);
  const Tensor offsets = take(tensors, key + ".offsets", DType::int64);
  const Tensor text = take(tensors, key + ".utf8", DType::uint8);
  std::vector<std::string> elements;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < offsets.count(); ++i) {
    const auto end = load<std::int64_t>(offsets.data(), i);
    if (end < begin || end > static_cast<std::int64_t>(text.count()) || (i == 0 && end != 0)) {
      throw TensorFileError(quoted(key) + " has offsets that fall or run past the end");
    }
    if (i > 0) {
      elements.emplace_back(text.as<char>() + begin, static_cast<std::size_t>(end - begin));
      if (!is_utf8(elements.back()) || elements.back().find('\0') != std::string::npos) {
        throw TensorFileError(quoted(key) + " holds text that is no UTF-8, or U+0000");
      }
    }
    begin = end;
  }
  if (offsets.count() == 0 || begin != static_cast<std::int64_t>(text.count())) {
    throw TensorFileError(quoted(key) + " has offsets that do not lead from 0 to the end");
  }
  try {
    if (!tensors.emplace(key, Tensor::of_strings(shape, std::move(elements))).second) {
      throw TensorFileError(quoted(key) + " stands for two tensors");
    }
  } catch (const Error& error) {
    throw TensorFileError(quoted(key) + ": " + error.found() + " instead of " + error.expected());
  }
}

}  // namespace

std::map<std::string, Tensor> read_tensors(const std::shared_ptr<std::string>& file) {
  const Header header = read_header(*file);
  Tensors tensors;
  std::size_t end = 0;
  for (const Member& member : *header.tree.object()) {
    if (member.key == metadata_key) {
      continue;
    }
    Tensor tensor = read_tensor(member.key, member.value, file, header.data_begin, end);
    check_bools(member.key, tensor);
    tensors.emplace(member.key, std::move(tensor));
  }
  if (header.data_begin + end != file->size()) {
    throw TensorFileError("data behind the last tensor");
  }
  if (const Json* metadata = header.tree.find(metadata_key)) {
    if (metadata->object() == nullptr) {
      throw TensorFileError("metadata that is no object");
    }
    for (const Member& entry : *metadata->object()) {
      if (entry.value.text() == nullptr) {
        throw TensorFileError("metadata that is no text");
      }
      join_strings(tensors, entry.key, *entry.value.text());
    }
  }
  return tensors;
}

}  // namespace bundle::detail
