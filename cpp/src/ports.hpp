// The inputs and outputs of a model in the form that is quickest to check in every call.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bundle/error.hpp"
#include "dtype.hpp"
#include "manifest_data.hpp"

namespace bundle::detail {

using TensorMap = std::map<std::string, Tensor>;

/// The number of each symbol's name; inputs and outputs share it.
using SymbolNumbers = std::map<std::string, std::size_t>;

/// The value that each symbol has in a call, by number; -1 for none.
using SymbolValues = std::vector<std::int64_t>;

struct Axis {
  /// The fixed size; -1 where the axis bears a symbol.
  std::int64_t size;
  std::size_t symbol;
};

struct PortPlan {
  const Port* port;
  const DTypeRow* row;
  std::vector<Axis> axes;
  bool finite = false;
};

/// The inputs of a call that passed the checks.
struct Feed {
  /// In manifest order; they point into the caller's map.
  std::vector<const Tensor*> tensors;
  SymbolValues symbols;
};

/// Checks the inputs of calls. Immutable, so that calls may run side by side.
class InputSet {
 public:
  InputSet(const std::vector<Port>& ports, const std::set<std::string>& finite, SymbolNumbers& numbers);

  /// Checks C2 to C10. With `multiple`, axis 0 may be any multiple of it, the same in all inputs.
  Feed check(const TensorMap& inputs, std::optional<std::int64_t> multiple = std::nullopt) const;
  /// Checks values alone (C9, C10).
  void check_values(const std::vector<const Tensor*>& tensors) const;

  const std::vector<PortPlan>& plans() const { return plans_; }

 private:
  std::vector<PortPlan> plans_;
  std::size_t symbol_count_ = 0;
};

/// The outputs that a call asks for, by index.
using Selection = std::vector<std::size_t>;

/// Checks the outputs of calls, and the buffers of callers.
class OutputSet {
 public:
  OutputSet(const std::vector<Port>& ports, SymbolNumbers& numbers);

  /// Checks what the model gave for one output (C12).
  void check(std::size_t index, const DTypeRow* row, const std::vector<std::int64_t>& shape) const;

  /// Refuses (`output_unknown`) a name that the manifest lacks; returns the others' indices in its order.
  Selection select(const TensorMap& buffers) const;
  /// Refuses (`buffer_unsuitable`) buffers that cannot take the outputs of this call.
  void check_buffers(const Selection& chosen, const TensorMap& buffers, const SymbolValues& symbols,
                     bool aligned) const;
  /// Whether the sizes of an output are known before the model runs.
  bool known(std::size_t index, const SymbolValues& symbols) const;

  Selection all() const;
  const std::vector<PortPlan>& plans() const { return plans_; }

 private:
  std::vector<PortPlan> plans_;
};

Error buffer_unsuitable(const std::string& name, const std::string& found);
std::string describe(const std::vector<std::int64_t>& shape);
std::string describe(const std::vector<Dim>& shape);
PortPlan plan_of(const Port& port, bool finite, SymbolNumbers& numbers);

}  // namespace bundle::detail
