// What the file of a shared library says of itself, read without running a byte of it.
#pragma once

#include <string>
#include <vector>

namespace bundle::detail {

/// The names of versions that a library asks of another one.
struct AskedVersions {
  std::string library;
  std::vector<std::string> names;
};

struct LibraryFile {
  /// The libraries that it needs, in the order in which the system's loader looks for them.
  std::vector<std::string> needed;
  /// Its own folders to look in, joined by `:` as it spells them.
  std::string folders;
  std::vector<AskedVersions> asked;
  std::vector<std::string> defined;
};

/// Reads an ONNX Runtime library: checks L1 to L5 of LIBRARY.md.
/// Throws Error `library_not_found`, `library_malformed` or `library_architecture`.
LibraryFile read_library_file(const std::string& path);

/// The names of versions that any shared library defines. Throws Error `library_not_found` or
/// `library_malformed` where its file does not tell.
std::vector<std::string> defined_versions(const std::string& path);

}  // namespace bundle::detail
