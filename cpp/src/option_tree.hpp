// Options as the caller set them, and as they are once they passed check P1.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bundle/predictor.hpp"
#include "json.hpp"
#include "manifest_data.hpp"

namespace bundle::detail {

/// An ONNX Runtime that the host program handed in; `api_base` is null where it did not.
struct HostRuntime {
  const void* api_base = nullptr;
  void* env = nullptr;
};

struct OptionTree {
  std::map<std::string, Json> values;
  HostRuntime host;
};

struct OpeningOptions {
  /// The expected identity; empty for any.
  std::string digest;
  bool full = true;
};

/// Judges `digest` and `mode`. Throws Error `option_invalid`.
OpeningOptions opening_options(const OptionTree& tree);

struct UpdateOptions {
  /// The expected identity; empty for any.
  std::string digest;
  std::optional<std::int64_t> max_bytes;
  bool replace = false;
  /// What is left of the options: those of the predictor that proves the new bundle.
  Options opening;
};

/// Judges the options of an update alone (U1). Throws Error `option_invalid`.
UpdateOptions update_options(const Options& options);

/// A wanted execution provider with its own options.
using Provider = std::pair<std::string, std::map<std::string, std::string>>;

struct Choices {
  std::optional<std::string> variant, format, library;
  bool allow_foreign_target = false;
  bool allow_telemetry = false;
  bool trust_bundle_library = false;
  bool strict = false;
  std::vector<Provider> providers;
  std::set<std::string> finite;
  std::map<std::string, std::string> config;
  /// The settings of spec/session.json that the caller gave.
  std::map<std::string, Json> session;
};

/// Judges all options but `digest` and `mode` (P1). Throws Error `option_invalid`.
Choices choose_options(const OptionTree& tree, const ManifestData& manifest);

/// Every setting of spec/session.json; `listed` gives them by name.
struct Settings {
  bool allow_spinning, cpu_arena, mapped, memory_pattern;
  std::int64_t inter_op_threads, intra_op_threads;
  std::string graph_optimization_level;
};

std::map<std::string, Setting> listed(const Settings& settings);

/// The caller's settings, else the variant's, else the manifest's, else the table's; threads are lowered to
/// what the process may use.
Settings settle(const Choices& choices, const ManifestData& manifest, const Variant& variant);

}  // namespace bundle::detail
