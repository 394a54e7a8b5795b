// The outputs of a call: check C12, and buffers that the caller owns.
#include <algorithm>
#include <functional>
#include <numeric>

#include "align.hpp"
#include "ports.hpp"

namespace bundle::detail {

namespace {

/// The size of each axis as far as the inputs of a call tell it; -1 where they do not.
std::int64_t expected_size(const Axis& axis, const SymbolValues& symbols) {
  if (axis.size >= 0) {
    return axis.size;
  }
  return axis.symbol < symbols.size() ? symbols[axis.symbol] : -1;
}

/// What is wrong with a buffer; empty where nothing is.
std::string fault_of(const PortPlan& plan, const Tensor& buffer, const SymbolValues& symbols, bool aligned) {
  if (buffer.dtype() == DType::string || buffer.dtype() != plan.port->dtype) {
    return std::string("a buffer of ") + to_string(buffer.dtype());
  }
  bool fits = buffer.shape().size() == plan.axes.size();
  for (std::size_t axis = 0; fits && axis < plan.axes.size(); ++axis) {
    const std::int64_t size = expected_size(plan.axes[axis], symbols);
    fits = size < 0 || size == buffer.shape()[axis];
  }
  if (!fits) {
    return "a buffer of shape " + describe(buffer.shape());
  }
  if (!buffer.writable()) {
    return "a buffer that is only for reading";
  }
  return aligned && buffer.count() > 0 && !is_aligned(buffer.data()) ? "an address that is no multiple of 16"
                                                                     : "";
}

bool overlap(const Tensor& one, const Tensor& other) {
  const auto* first = static_cast<const char*>(one.data());
  const auto* second = static_cast<const char*>(other.data());
  const std::less<> before;
  return one.bytes() > 0 && other.bytes() > 0 && before(first, second + other.bytes()) &&
         before(second, first + one.bytes());
}

template <class Size>
std::string list_of(const std::vector<Size>& shape, std::string (*text)(const Size&)) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    out += (i > 0 ? ", " : "") + text(shape[i]);
  }
  return out + "]";
}

}  // namespace

Error buffer_unsuitable(const std::string& name, const std::string& found) {
  return {"buffer_unsuitable", name, "a writable buffer of the output's dtype and shape", found};
}

std::string describe(const std::vector<std::int64_t>& shape) {
  return list_of<std::int64_t>(shape, [](const std::int64_t& size) { return std::to_string(size); });
}

std::string describe(const std::vector<Dim>& shape) {
  return list_of<Dim>(shape, [](const Dim& size) {
    const auto* fixed = std::get_if<std::int64_t>(&size);
    return fixed == nullptr ? std::get<std::string>(size) : std::to_string(*fixed);
  });
}

PortPlan plan_of(const Port& port, bool finite, SymbolNumbers& numbers) {
  PortPlan plan{&port, &row_of(port.dtype), {}, finite};
  for (const Dim& size : port.shape) {
    if (const auto* fixed = std::get_if<std::int64_t>(&size)) {
      plan.axes.push_back({*fixed, 0});
    } else {
      const auto place = numbers.try_emplace(std::get<std::string>(size), numbers.size()).first;
      plan.axes.push_back({-1, place->second});
    }
  }
  return plan;
}

OutputSet::OutputSet(const std::vector<Port>& ports, SymbolNumbers& numbers) {
  for (const Port& port : ports) {
    plans_.push_back(plan_of(port, false, numbers));
  }
}

void OutputSet::check(std::size_t index, const DTypeRow* row, const std::vector<std::int64_t>& shape) const {
  const PortPlan& plan = plans_[index];
  const std::string& name = plan.port->name;
  if (row != plan.row) {
    throw Error("output_mismatch", name, plan.row->word, row == nullptr ? "another type" : row->word);
  }
  bool fits = shape.size() == plan.axes.size();
  for (std::size_t axis = 0; fits && axis < shape.size(); ++axis) {
    fits = plan.axes[axis].size < 0 || plan.axes[axis].size == shape[axis];
  }
  if (!fits) {
    throw Error("output_mismatch", name, describe(plan.port->shape), describe(shape));
  }
}

Selection OutputSet::all() const {
  Selection indices(plans_.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  return indices;
}

Selection OutputSet::select(const TensorMap& buffers) const {
  for (const auto& [name, buffer] : buffers) {
    auto same = [&known = name](const PortPlan& plan) { return plan.port->name == known; };
    if (std::none_of(plans_.begin(), plans_.end(), same)) {
      throw Error("output_unknown", name, "an output of the model", "a name that it does not have");
    }
  }
  Selection chosen;
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    if (buffers.count(plans_[i].port->name) > 0) {
      chosen.push_back(i);
    }
  }
  return chosen;
}

void OutputSet::check_buffers(const Selection& chosen, const TensorMap& buffers, const SymbolValues& symbols,
                              bool aligned) const {
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const std::string& name = plans_[chosen[i]].port->name;
    const Tensor& buffer = buffers.at(name);
    const std::string fault = fault_of(plans_[chosen[i]], buffer, symbols, aligned);
    if (!fault.empty()) {
      throw buffer_unsuitable(name, fault);
    }
    for (std::size_t before = 0; before < i; ++before) {
      if (overlap(buffer, buffers.at(plans_[chosen[before]].port->name))) {
        throw buffer_unsuitable(name, "memory that it shares with another output");
      }
    }
  }
}

bool OutputSet::known(std::size_t index, const SymbolValues& symbols) const {
  const std::vector<Axis>& axes = plans_[index].axes;
  return std::all_of(axes.begin(), axes.end(),
                     [&](const Axis& axis) { return expected_size(axis, symbols) >= 0; });
}

}  // namespace bundle::detail
