// What this process has mapped already.
#pragma once

#include <string>
#include <vector>

namespace bundle::detail {

/// The files of ONNX Runtime that are mapped, Python's extension module included.
std::vector<std::string> mapped_runtimes();

/// Whether a path is that of a plain `libonnxruntime.so`, of any version.
bool is_runtime_library(const std::string& path);

}  // namespace bundle::detail
