// What this process has mapped already.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace bundle::detail {

struct CloseLibrary {
  void operator()(void* handle) const;
};
/// A library that dlopen gave; closed by the destructor.
using LibraryHandle = std::unique_ptr<void, CloseLibrary>;

/// The file of a library; empty where the system does not tell it.
std::string path_of(const LibraryHandle& library);

/// The files of ONNX Runtime that are mapped, Python's extension module included.
std::vector<std::string> mapped_runtimes();

/// Whether a path is that of a plain `libonnxruntime.so`, of any version.
bool is_runtime_library(const std::string& path);

}  // namespace bundle::detail
