// Finding and loading the shared library of ONNX Runtime: check P3 and FORMAT.md section 6.
#pragma once

#include <string>
#include <vector>

#include "option_tree.hpp"
#include "ort.hpp"

namespace bundle::detail {

struct LibraryRequest {
  /// The option `library`; null where it was not given.
  const std::string* library = nullptr;
  /// The bundle's own library, if it may be used: where it lies, and its entry in the manifest.
  std::string bundled_path;
  File bundled;
  bool allow_telemetry = false;
  HostRuntime host;
  /// Versions that the library must not be older than, beside that of spec/session.json.
  std::vector<std::string> minimum;
};

/// Returns the library of this process, loaded with telemetry off. Safe from any thread.
/// Throws Error of stage `library`, or `file_digest_mismatch` about the bundle's own library.
const Runtime& load_runtime(const LibraryRequest& request);

}  // namespace bundle::detail
