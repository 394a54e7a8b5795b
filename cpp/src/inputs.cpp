// The inputs of a call: checks C2 to C10.
#include <algorithm>
#include <cmath>

#include "ports.hpp"
#include "text.hpp"
#include "values.hpp"

namespace bundle::detail {

namespace {

/// Tells whether some element has all exponent bits set. Whole blocks without a branch, so that the compiler
/// can use vectors.
template <class Bits>
std::size_t first_special(const Tensor& tensor, Bits exponent) {
  constexpr std::size_t block = 1024;
  const std::size_t count = tensor.count();
  for (std::size_t begin = 0; begin < count; begin += block) {
    const std::size_t end = std::min(begin + block, count);
    unsigned special = 0;
    for (std::size_t i = begin; i < end; ++i) {
      special |= static_cast<unsigned>((load<Bits>(tensor.data(), i) & exponent) == exponent);
    }
    for (std::size_t i = begin; special != 0 && i < end; ++i) {
      if ((load<Bits>(tensor.data(), i) & exponent) == exponent) {
        return i;
      }
    }
  }
  return count;
}

/// Returns the inputs in manifest order (C2, C3).
std::vector<const Tensor*> named(const TensorMap& inputs, const std::vector<PortPlan>& plans) {
  std::vector<const Tensor*> tensors;
  tensors.reserve(plans.size());
  const std::string* missing = nullptr;
  for (const PortPlan& plan : plans) {
    const auto given = inputs.find(plan.port->name);
    if (given != inputs.end()) {
      tensors.push_back(&given->second);
    } else if (missing == nullptr) {
      missing = &plan.port->name;
    }
  }
  if (tensors.size() != inputs.size()) {
    std::set<std::string> known;
    for (const PortPlan& plan : plans) {
      known.insert(plan.port->name);
    }
    const auto unknown = std::find_if(inputs.begin(), inputs.end(),
                                      [&](const auto& entry) { return known.count(entry.first) == 0; });
    throw Error("input_unknown", unknown->first, "an input of the model", "a name that it does not have");
  }
  if (missing != nullptr) {
    throw Error("input_missing", *missing, "every input of the model", "no such input");
  }
  return tensors;
}

void check_sizes(const PortPlan& plan, const std::vector<std::int64_t>& shape, std::size_t first) {
  for (std::size_t axis = first; axis < plan.axes.size(); ++axis) {
    if (plan.axes[axis].size >= 0 && shape[axis] != plan.axes[axis].size) {
      throw Error("input_shape_mismatch", plan.port->name, describe(plan.port->shape), describe(shape));
    }
  }
}

/// Checks that axis 0 is a multiple of the model's fixed batch, the same in all inputs (C6 of a whole batch).
void check_multiple(const PortPlan& plan, std::int64_t rows, std::int64_t multiple, std::int64_t& common) {
  if (rows < multiple || rows % multiple != 0 || (common >= 0 && common != rows)) {
    throw Error("input_shape_mismatch", plan.port->name,
                "a multiple of " + std::to_string(multiple) + " on axis 0, the same in all inputs",
                std::to_string(rows));
  }
  common = rows;
}

/// Checks C7 and C8, and remembers the symbols' values.
void bind_symbols(const PortPlan& plan, const std::vector<std::int64_t>& shape, SymbolValues& symbols) {
  for (std::size_t axis = 0; axis < plan.axes.size(); ++axis) {
    if (plan.axes[axis].size < 0 && shape[axis] < 1) {
      throw Error("input_empty", plan.port->name,
                  describe(plan.port->shape) + " with at least 1 for each name", describe(shape));
    }
  }
  for (std::size_t axis = 0; axis < plan.axes.size(); ++axis) {
    if (plan.axes[axis].size >= 0) {
      continue;
    }
    std::int64_t& value = symbols[plan.axes[axis].symbol];
    if (value >= 0 && value != shape[axis]) {
      throw Error("input_symbol_conflict", plan.port->name,
                  std::to_string(value) + " again in " + describe(plan.port->shape), describe(shape));
    }
    value = shape[axis];
  }
}

/// Check C9.
void check_carried(const std::string& name, const Tensor& tensor) {
  if (tensor.dtype() == DType::boolean) {
    const auto* bytes = tensor.as<unsigned char>();
    if (std::any_of(bytes, bytes + tensor.count(), [](unsigned char byte) { return byte > 1; })) {
      throw Error("input_value", name, "bool bytes of 0 or 1", "another byte");
    }
  }
  for (const std::string& text : tensor.strings()) {
    if (!is_utf8(text) || text.find('\0') != std::string::npos) {
      throw Error("input_value", name, "text in UTF-8 without U+0000", quoted(replaced_utf8(text)));
    }
  }
}

}  // namespace

std::size_t first_not_finite(const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::float16:
      return first_special<std::uint16_t>(tensor, 0x7C00);
    case DType::float32:
      return first_special<std::uint32_t>(tensor, 0x7F800000);
    case DType::float64:
      return first_special<std::uint64_t>(tensor, 0x7FF0000000000000);
    default:
      return tensor.count();
  }
}

double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F;
  const int fraction = bits & 0x3FF;
  double value = 0;
  if (exponent == 0x1F) {
    value = fraction == 0 ? HUGE_VAL : NAN;
  } else {
    value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 0x400, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

InputSet::InputSet(const std::vector<Port>& ports, const std::set<std::string>& finite,
                   SymbolNumbers& numbers) {
  for (const Port& port : ports) {
    const bool checked = is_float(port.dtype) && (port.finite || finite.count(port.name) > 0);
    plans_.push_back(plan_of(port, checked, numbers));
  }
  symbol_count_ = numbers.size();
}

Feed InputSet::check(const TensorMap& inputs, std::optional<std::int64_t> multiple) const {
  Feed feed;
  feed.symbols.assign(symbol_count_, -1);
  feed.tensors = named(inputs, plans_);
  std::int64_t rows = -1;
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    const PortPlan& plan = plans_[i];
    const Tensor& tensor = *feed.tensors[i];
    const std::vector<std::int64_t>& shape = tensor.shape();
    if (tensor.dtype() != plan.port->dtype) {
      throw Error("input_dtype_mismatch", plan.port->name, plan.row->word, to_string(tensor.dtype()));
    }
    if (shape.size() != plan.axes.size()) {
      throw Error("input_rank_mismatch", plan.port->name, describe(plan.port->shape), describe(shape));
    }
    check_sizes(plan, shape, multiple ? 1 : 0);
    if (multiple) {
      check_multiple(plan, shape[0], *multiple, rows);
    }
    bind_symbols(plan, shape, feed.symbols);
  }
  check_values(feed.tensors);
  return feed;
}

void InputSet::check_values(const std::vector<const Tensor*>& tensors) const {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    check_carried(plans_[i].port->name, *tensors[i]);
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!plans_[i].finite) {
      continue;
    }
    const std::size_t index = first_not_finite(*tensors[i]);
    if (index < tensors[i]->count()) {
      throw Error("input_not_finite", plans_[i].port->name, "finite values",
                  "NaN or an infinity as element " + std::to_string(index));
    }
  }
}

}  // namespace bundle::detail
