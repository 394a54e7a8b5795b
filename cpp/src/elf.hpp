// The check of a shared library before it is opened: a truncated one would end the process inside dlopen.
#pragma once

#include <string>

namespace bundle::detail {

/// Checks that a file is a whole ELF64 library for this host that exports `OrtGetApiBase`.
/// Throws Error `library_not_found` (nothing there, or not readable), `library_malformed` or
/// `library_architecture`.
void check_library_file(const std::string& path);

}  // namespace bundle::detail
