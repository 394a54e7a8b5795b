// The state of a bound call.
#pragma once

#include <memory>
#include <vector>

#include "core.hpp"

namespace bundle::detail {

struct Binding {
  std::shared_ptr<Core> core;
  // Copies of the caller's tensors, so that memory they own lives as long as the call.
  TensorMap inputs, outputs;
  std::vector<const Tensor*> tensors;
  Selection chosen;
  std::vector<Fed> fed;
  std::vector<const OrtValue*> values;
  /// In the order of `chosen`; null where the size is only known after the run, which is then copied.
  std::vector<Handle<OrtValue>> targets;
  std::vector<const char*> names;
  /// What a run gives, in the same order; kept so that a run does not allocate.
  std::vector<OrtValue*> results;

  Binding(std::shared_ptr<Core> owner, TensorMap in, TensorMap out);
  void run();

 private:
  void bind_outputs(const SymbolValues& symbols);
  void take_results();
  void copy_result(std::size_t index, const OrtValue& value);
  [[noreturn]] void diagnose(const Error& failure) const;
};

}  // namespace bundle::detail
