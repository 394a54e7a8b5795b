// A session of ONNX Runtime with every setting that can change bits or speed made explicit: check P5.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "option_tree.hpp"
#include "ort.hpp"

namespace bundle::detail {

struct ModelFile {
  /// Where it lies, and its path inside the bundle.
  std::string path, subject;
  /// `onnx` or `ort`.
  std::string format;
};

struct LoadedSession {
  Handle<OrtSession> session;
  /// The execution providers that run, preferred first.
  std::vector<std::string> providers;
  /// Why each wanted provider that does not run was left out.
  std::map<std::string, std::string> reasons;
};

/// Loads a model file with the execution providers that the caller prefers.
/// Throws Error `provider_unknown`, `provider_unavailable` or `model_rejected`.
LoadedSession load_session(const Runtime& runtime, const ModelFile& file, const Settings& settings,
                           const Choices& choices);

/// Compares the session's inputs, then its outputs, with the manifest's (P6).
/// Throws Error `model_mismatch`.
void check_signature(const Runtime& runtime, const OrtSession& session, const ManifestData& manifest);

}  // namespace bundle::detail
