// A loaded model, and what all kinds of calls share.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "bundle/predictor.hpp"
#include "ort.hpp"
#include "ports.hpp"
#include "session.hpp"

namespace bundle::detail {

/// Lets calls in until it is closed; closing waits for those in flight.
class Gate {
 public:
  Gate();

  /// Begins a call (C1), which ends with the returned lock.
  /// Throws Error `predictor_closed` or `process_forked`.
  std::shared_lock<std::shared_mutex> enter() const;

  /// Returns the lock under which the model may be let go; owns nothing in a forked process, whose copy of
  /// the lock and of the model's threads is of no use.
  std::unique_lock<std::shared_mutex> close();

 private:
  mutable std::shared_mutex lock_;
  std::atomic<bool> closed_{false};
  pid_t process_;
};

/// Makes room for a result. Throws Error `runtime_failure`.
Tensor room_for(DType dtype, std::vector<std::int64_t> shape);

/// An input as ONNX Runtime takes it, with the aligned copy behind it if one was needed.
struct Fed {
  Handle<OrtValue> value;
  std::shared_ptr<void> staging;
};

class Core {
 public:
  Core(Bundle opened, const Options& options);
  ~Core() { close(); }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  void close();

  const ManifestData& manifest() const { return bundle.manifest().data(); }

  /// Makes the value of an input (the caller's memory, or an aligned copy of it).
  Fed feed(const Tensor& tensor) const;
  /// The names of outputs as ONNX Runtime takes them.
  std::vector<const char*> output_names(const Selection& chosen) const;
  /// Runs the model (C11). `values` are in the order of the inputs; `results` in that of the outputs'
  /// `names`, each null or a value to write into. Throws Error `runtime_failure`.
  void run(const std::vector<const OrtValue*>& values, const std::vector<const char*>& names,
           std::vector<OrtValue*>& results) const;
  /// Runs the model and returns the checked outputs (C11, C12), owned by the caller.
  std::vector<Tensor> outputs_of(const std::vector<const Tensor*>& inputs, const Selection& chosen) const;
  /// Checks what the model gave (C12) and copies it.
  Tensor taken(std::size_t index, const OrtValue& value) const;

  // Set by the constructor and not changed afterwards.
  Bundle bundle;
  std::string format, reason;
  const Variant* variant = nullptr;
  const Runtime* runtime = nullptr;
  std::vector<std::string> providers;
  std::map<std::string, std::string> provider_reasons;
  std::map<std::string, Setting> session;
  Gate gate;

  const InputSet& inputs() const { return *inputs_; }
  const OutputSet& outputs() const { return *outputs_; }

 private:
  std::unique_ptr<InputSet> inputs_;
  std::unique_ptr<OutputSet> outputs_;
  std::vector<const char*> input_names_;
  Handle<OrtSession> session_;
};

/// `Predictor::predict_batch`.
TensorMap predict_batch(const Core& core, const TensorMap& inputs, std::optional<std::int64_t> batch_size,
                        const std::function<bool(std::int64_t, std::int64_t)>& progress);

}  // namespace bundle::detail
