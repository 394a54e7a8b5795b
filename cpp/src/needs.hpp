// What a library's file asks of the system: checks L6 to L8 of LIBRARY.md.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "elf.hpp"

namespace bundle::detail {

/// Looks for everything that the library at `path` needs, as the system's loader would.
/// Throws Error `library_dependency`, `library_glibc` or `library_libstdcxx`.
void check_needs(const LibraryFile& file, const std::string& path);

/// The library's file that was checked last. While it stays as it is, it is not checked again.
class CheckedFile {
 public:
  /// Checks L1 to L8; returns the version of ONNX Runtime that the file states, or nothing. Throws Error as
  /// `read_library_file` and `check_needs` do.
  const std::string& check(const std::string& path);

 private:
  std::optional<struct stat> status_;
  std::string version_;
};

}  // namespace bundle::detail
