#include "bound.hpp"

#include <cstring>
#include <utility>

#include "align.hpp"
#include "bundle/error.hpp"

namespace bundle::detail {

namespace {

bool shares(const Tensor& one, const Tensor& other) {
  const auto* first = one.as<char>();
  const auto* second = other.as<char>();
  return one.bytes() > 0 && other.bytes() > 0 && first < second + other.bytes() &&
         second < first + one.bytes();
}

}  // namespace

Binding::Binding(std::shared_ptr<Core> owner, TensorMap in, TensorMap out)
    : core(std::move(owner)), inputs(std::move(in)), outputs(std::move(out)) {
  const auto call = core->gate.enter();
  const Feed feed = core->inputs().check(inputs);
  tensors = feed.tensors;
  chosen = core->outputs().select(outputs);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i]->count() > 0 && !is_aligned(tensors[i]->data())) {
      throw buffer_unsuitable(core->manifest().inputs[i].name, "an address that is no multiple of 16");
    }
  }
  core->outputs().check_buffers(chosen, outputs, feed.symbols, true);
  for (const auto& [name, buffer] : outputs) {
    for (const Tensor* input : tensors) {
      if (shares(buffer, *input)) {
        throw buffer_unsuitable(name, "memory that it shares with an input");
      }
    }
  }
  try {
    for (const Tensor* input : tensors) {
      fed.push_back(core->feed(*input));
      values.push_back(fed.back().value.get());
    }
    bind_outputs(feed.symbols);
  } catch (const OrtFailure& failure) {
    throw Error("runtime_failure", ".", "buffers that ONNX Runtime takes", failure.what());
  }
}

void Binding::bind_outputs(const SymbolValues& symbols) {
  if (chosen.empty()) {
    // ONNX Runtime runs no model for no output.
    chosen = core->outputs().all();
  }
  for (const std::size_t index : chosen) {
    const auto buffer = outputs.find(core->manifest().outputs[index].name);
    if (buffer == outputs.end() || !core->outputs().known(index, symbols)) {
      targets.emplace_back(nullptr, Release{core->runtime->api});
    } else {
      targets.push_back(core->feed(buffer->second).value);
    }
  }
  names = core->output_names(chosen);
  results.resize(chosen.size());
}

void Binding::run() {
  const auto call = core->gate.enter();
  core->inputs().check_values(tensors);
  try {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i]->dtype() == DType::string) {
        fed[i] = core->feed(*tensors[i]);
        values[i] = fed[i].value.get();
      }
    }
    for (std::size_t i = 0; i < targets.size(); ++i) {
      results[i] = targets[i].get();
    }
    try {
      core->run(values, names, results);
    } catch (const Error& failure) {
      diagnose(failure);
    }
    take_results();
  } catch (const OrtFailure& failure) {
    throw Error("runtime_failure", ".", "a run without an error", failure.what());
  }
}

/// Copies what ONNX Runtime gave in memory of its own.
void Binding::take_results() {
  std::vector<Handle<OrtValue>> owned;
  owned.reserve(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (targets[i] == nullptr) {
      owned.emplace_back(results[i], Release{core->runtime->api});
      results[i] = nullptr;
    }
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] == nullptr) {
      copy_result(chosen[i], *owned[next++]);
    }
  }
}

void Binding::copy_result(std::size_t index, const OrtValue& value) {
  const Tensor result = core->taken(index, value);
  const std::string& name = core->manifest().outputs[index].name;
  const auto buffer = outputs.find(name);
  if (buffer == outputs.end()) {
    return;
  }
  if (buffer->second.shape() != result.shape()) {
    throw buffer_unsuitable(name, "a buffer of shape " + describe(buffer->second.shape()));
  }
  if (result.bytes() > 0) {
    std::memcpy(buffer->second.data(), result.data(), result.bytes());
  }
}

/// Throws why a bound run failed: the same inputs without the buffers tell it, since ONNX Runtime reports a
/// buffer of another shape than the model's in words only.
void Binding::diagnose(const Error& failure) const {
  const std::vector<Tensor> fresh = core->outputs_of(tensors, chosen);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const std::string& name = core->manifest().outputs[chosen[i]].name;
    const auto buffer = outputs.find(name);
    if (buffer != outputs.end() && buffer->second.shape() != fresh[i].shape()) {
      throw buffer_unsuitable(name, "a buffer of shape " + describe(buffer->second.shape()));
    }
  }
  throw failure;
}

}  // namespace bundle::detail
