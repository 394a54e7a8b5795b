// Finding and loading the shared library of ONNX Runtime: check P3 and LIBRARY.md.
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
  /// The C API that the bundle asks for, beside that of spec/library.json.
  std::int64_t api = 0;
};

/// Returns the library of this process, loaded with telemetry off. Safe from any thread.
/// Throws Error of stage `library`, or `file_digest_mismatch` about the bundle's own library.
const Runtime& load_runtime(const LibraryRequest& request);

}  // namespace bundle::detail
