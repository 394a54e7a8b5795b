// Predict from a bundle.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bundle/bundle.hpp"
#include "bundle/error.hpp"
#include "bundle/options.hpp"
#include "bundle/tensor.hpp"

namespace bundle {

namespace detail {
class Core;
struct Binding;
}  // namespace detail

using Tensors = std::map<std::string, Tensor>;

/// The value of an option of spec/session.json.
using Setting = std::variant<bool, std::int64_t, std::string>;

/// One output of one golden case against what this variant answered when it was built.
struct OutputResult {
  std::string name;
  /// Whether it is within the variant's tolerance.
  bool passed = false;
  /// Decisions that differ although the recording's margin exceeds the tolerance, and those where it does
  /// not.
  std::int64_t flips = 0;
  std::int64_t near_ties = 0;
  /// The largest absolute difference to the recording; infinite where NaN, text or shape disagree.
  double worst = 0;
  /// The same to the source model's answer, which is never judged; none where the case holds none.
  std::optional<double> source_worst;
};

struct CaseResult {
  std::string name;
  bool passed = false;
  std::vector<OutputResult> outputs;
};

/// All golden cases of a bundle through one predictor; `passed` where every output of every case did.
struct SelfTest {
  bool passed = false;
  std::vector<CaseResult> cases;
};

/// Repeated calls over the same buffers: change the inputs in place, `run`, read the outputs.
/// One thread at a time; different bound calls of one predictor may run side by side.
class BoundCall {
 public:
  BoundCall(BoundCall&& other) noexcept;
  BoundCall& operator=(BoundCall&& other) noexcept;
  ~BoundCall();

  /// Runs the model once over the buffers. Values (C9, C10) are checked every time, shapes were once.
  /// @throws Error `predictor_closed`, `process_forked`, `input_value`, `input_not_finite`,
  /// `runtime_failure`,
  ///   `output_mismatch` or `buffer_unsuitable`. The output buffers then hold nothing of use; the call can be
  ///   run again.
  void run();

 private:
  friend class Predictor;
  explicit BoundCall(std::unique_ptr<detail::Binding> binding);

  std::unique_ptr<detail::Binding> binding_;
};

/// A model of a bundle, ready to answer. A Predictor may be called from many threads at once; copies share
/// one loaded model, which is let go with the last of them or by `close`.
class Predictor {
 public:
  /// Opens the bundle in a folder and loads one of its variants.
  /// @param path the folder; it may be a link, which is resolved once.
  /// @param options those of spec/FORMAT.md section 5.
  /// @throws Error codes of the stages manifest, open and library; nothing stays open.
  static Predictor open(const std::string& path, const Options& options = {});
  /// Loads a variant of a bundle that is open; `digest` and `mode` of the options were its affair.
  static Predictor open(const Bundle& bundle, const Options& options = {});

  /// Runs the model once. `inputs` must hold exactly the manifest's input names; each tensor's dtype equals
  /// the manifest's and its shape matches it, where a named axis may have any size of at least 1, the same
  /// everywhere in the call. Elements that do not start at a multiple of 16 bytes are copied first. Returns
  /// every output by name, owned by the caller.
  /// @throws Error `predictor_closed`, `process_forked`, `input_unknown`, `input_missing`,
  ///   `input_dtype_mismatch`, `input_rank_mismatch`, `input_shape_mismatch`, `input_empty`,
  ///   `input_symbol_conflict`, `input_value`, `input_not_finite`, `runtime_failure` or `output_mismatch`.
  ///   The predictor is unchanged and can be used again.
  Tensors predict(const Tensors& inputs) const;

  /// Runs the model over pieces of the inputs, cut along the manifest's batch axis, and joins the outputs.
  /// @param batch_size rows in a piece; may be left out where rows do not depend on their batch-mates.
  /// @param progress called with (rows done, rows in all) after each piece; returning false cancels. It must
  /// not
  ///   close the predictor.
  /// @throws Error those of `predict`, `batch_unsupported`, `batch_size_required`, `batch_size_invalid` and
  ///   `predict_cancelled`.
  Tensors predict_batch(const Tensors& inputs, std::optional<std::int64_t> batch_size = std::nullopt,
                        const std::function<bool(std::int64_t done, std::int64_t all)>& progress = {}) const;

  /// Runs the model once and writes outputs into the caller's buffers: none, some or all outputs, of the
  /// right dtype (no strings) and shape, writable, at any address, not overlapping each other.
  /// @throws Error those of `predict`, `output_unknown` and `buffer_unsuitable`. The buffers are untouched
  /// after
  ///   an error.
  void predict_into(const Tensors& inputs, Tensors& outputs) const;

  /// Returns a call over borrowed buffers, for a loop that must not allocate. All buffers but strings must
  /// start at a multiple of 16 bytes, and outputs overlap nothing else. The call keeps the tensors, and
  /// memory that they borrow must outlive it.
  /// @throws Error those of `predict_into`.
  BoundCall bind(const Tensors& inputs, const Tensors& outputs) const;

  /// Predicts every golden case and compares with what this variant answered when it was built.
  /// @throws Error `golden_missing`, `golden_malformed` and those of `predict`.
  SelfTest self_test() const;

  /// Waits for the calls in flight and lets the model go, for all copies. May be called twice.
  void close() noexcept;

  const Bundle& bundle() const noexcept;
  /// The tensors that every call takes and gives, in order.
  const std::vector<Port>& inputs() const noexcept;
  const std::vector<Port>& outputs() const noexcept;
  /// The name of the variant that runs, the format of its file (`onnx` or `ort`), and why this file.
  const std::string& variant() const noexcept;
  const std::string& format() const noexcept;
  const std::string& reason() const noexcept;
  /// The execution providers that run, preferred first, and why each wanted one that does not run was left
  /// out.
  const std::vector<std::string>& providers() const noexcept;
  const std::map<std::string, std::string>& provider_reasons() const noexcept;
  /// Every option of spec/session.json as it is in effect: threads lowered to the CPU quota, `mapped` only
  /// where a file is mapped.
  const std::map<std::string, Setting>& session() const noexcept;

 private:
  explicit Predictor(std::shared_ptr<detail::Core> core);

  std::shared_ptr<detail::Core> core_;
};

/// The version of this library.
const char* version() noexcept;

/// The version of the ONNX Runtime that `options` lead to, loaded with telemetry off.
/// @throws Error codes of stage `library`.
std::string runtime_version(const Options& options = {});

}  // namespace bundle
