// Files for readers that take paths.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace bundle::fuzz {

/// Writes the bytes to this process's temporary file of that name and returns its path.
inline std::string written(const std::string& name, const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fuzz-" + name + "-" + std::to_string(::getpid()));
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  if (!file.flush()) {
    std::abort();
  }
  return path.string();
}

}  // namespace bundle::fuzz
