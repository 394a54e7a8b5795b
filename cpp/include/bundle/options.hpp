// The options of opening a bundle or a predictor.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bundle {

namespace detail {
struct OptionTree;
}

/// Options by the names of spec/FORMAT.md section 5, for example
/// `Options().set("format", "ort").set("intra_op_threads", 2)`.
///
/// Names and values are judged when something is opened (check P1), not here. A plain value: copies are
/// independent, one object is for one thread at a time.
class Options {
 public:
  Options();
  ~Options();
  Options(const Options& other);
  Options& operator=(const Options& other);
  Options(Options&& other) noexcept;
  Options& operator=(Options&& other) noexcept;

  /// Returns the options of a JSON object, as in the driver's requests.
  /// @throws Error `usage_invalid`: the text is no JSON object.
  static Options from_json(std::string_view text);

  Options& set(const std::string& name, bool value);
  Options& set(const std::string& name, int value);
  Options& set(const std::string& name, std::int64_t value);
  Options& set(const std::string& name, const char* value);
  Options& set(const std::string& name, const std::string& value);
  /// For `finite`: names of inputs.
  Options& set(const std::string& name, const std::vector<std::string>& values);
  /// For `config`: ONNX Runtime's own keys.
  Options& set(const std::string& name, const std::map<std::string, std::string>& values);
  /// Forgets an option, if it was set.
  Options& unset(const std::string& name);
  /// Adds an execution provider behind those that were added before.
  Options& provider(const std::string& name, const std::map<std::string, std::string>& options = {});

  /// Uses an ONNX Runtime that this process holds already, instead of looking for a library.
  /// @param api_base what its `OrtGetApiBase()` returns, a `const OrtApiBase*`.
  /// @param env its `OrtEnv*`, which must outlive every predictor; null to let this library make one.
  Options& host(const void* api_base, void* env);

  /// The options as they were set, for this library alone.
  const detail::OptionTree& tree() const noexcept { return *tree_; }

 private:
  std::unique_ptr<detail::OptionTree> tree_;
};

}  // namespace bundle
