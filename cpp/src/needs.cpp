#include "needs.hpp"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>

#include "bundle/error.hpp"
#include "files.hpp"
#include "mapped_libraries.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

const std::string standard_library = "libstdc++.so.6";

/// A library that was found; its path is empty where the system does not tell it.
struct Found {
  std::string path;
};

bool is_file(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

/// The folder of a file, links resolved.
std::string folder_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  const std::string whole = real == nullptr ? path : real.get();
  const std::size_t slash = whole.rfind('/');
  return slash == std::string::npos ? "." : whole.substr(0, slash);
}

/// Puts a text in the place of a word, wherever it stands.
std::string replaced(std::string text, const std::string& word, const std::string& by) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + by.size())) {
    text.replace(at, word.size(), by);
  }
  return text;
}

/// The folders that a library names, its own folder put in.
std::vector<std::string> folders_of(const LibraryFile& file, const std::string& path) {
  const std::string own = folder_of(path);
  std::vector<std::string> folders;
  for (std::size_t begin = 0; begin < file.folders.size();) {
    const std::size_t end = std::min(file.folders.find(':', begin), file.folders.size());
    if (end > begin) {
      const std::string folder = file.folders.substr(begin, end - begin);
      folders.push_back(replaced(replaced(folder, "${ORIGIN}", own), "$ORIGIN", own));
    }
    begin = end + 1;
  }
  return folders;
}

std::optional<Found> find_library(const std::string& name, const std::vector<std::string>& folders) {
  if (const LibraryHandle there{::dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD)}) {
    return Found{path_of(there)};
  }
  for (const std::string& folder : folders) {
    if (is_file(folder + "/" + name)) {
      return Found{folder + "/" + name};
    }
  }
  if (const LibraryHandle opened{::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL)}) {
    return Found{path_of(opened)};
  }
  return std::nullopt;
}

using Numbers = std::vector<std::int64_t>;

/// The numbers of a name such as `GLIBC_2.2.5`; none for another name, or one that does not end in numbers.
Numbers numbered(const std::string& name, const std::string& prefix) {
  constexpr std::int64_t most = 1'000'000'000;
  if (!begins_with(name, prefix)) {
    return {};
  }
  Numbers numbers;
  bool inside = false;
  for (const char c : name.substr(prefix.size())) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c != '.' || !inside)) {
      return {};
    }
    if (digit && !inside) {
      numbers.push_back(0);
    }
    if (digit && numbers.back() < most) {
      numbers.back() = numbers.back() * 10 + (c - '0');
    }
    inside = digit;
  }
  return inside ? numbers : Numbers();
}

/// The highest numbers of the names of a family; none where it has no such name.
Numbers highest(const std::vector<std::string>& names, const std::string& prefix) {
  Numbers found;
  for (const std::string& name : names) {
    found = std::max(found, numbered(name, prefix));
  }
  return found;
}

std::string dotted(const std::string& prefix, const Numbers& numbers) {
  std::string text = prefix;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    text += (i == 0 ? "" : ".") + std::to_string(numbers[i]);
  }
  return text;
}

/// Check L7.
void check_glibc(const LibraryFile& file) {
  using Version = const char* (*)();
  const auto version = reinterpret_cast<Version>(::dlsym(RTLD_DEFAULT, "gnu_get_libc_version"));
  std::vector<std::string> names;
  for (const AskedVersions& asked : file.asked) {
    names.insert(names.end(), asked.names.begin(), asked.names.end());
  }
  const std::string prefix = "GLIBC_";
  const Numbers wanted = highest(names, prefix);
  if (version != nullptr && wanted > numbered(version(), "")) {
    throw Error("library_glibc", ".", dotted(prefix, wanted), "glibc " + std::string(version()));
  }
}

/// The versions that the system's libstdc++ defines; none where its file is not known.
std::optional<std::vector<std::string>> standard_versions(const std::vector<std::string>& folders) {
  const std::optional<Found> found = find_library(standard_library, folders);
  if (!found || found->path.empty()) {
    return std::nullopt;
  }
  try {
    return defined_versions(found->path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Check L8.
void check_standard_library(const LibraryFile& file, const std::vector<std::string>& folders) {
  std::vector<std::string> names;
  for (const AskedVersions& asked : file.asked) {
    if (asked.library == standard_library) {
      names.insert(names.end(), asked.names.begin(), asked.names.end());
    }
  }
  const auto defined = names.empty() ? std::nullopt : standard_versions(folders);
  for (const char* prefix : {"GLIBCXX_", "CXXABI_"}) {
    if (defined && highest(names, prefix) > highest(*defined, prefix)) {
      throw Error("library_libstdcxx", ".", dotted(prefix, highest(names, prefix)),
                  dotted(prefix, highest(*defined, prefix)));
    }
  }
}

/// The version of ONNX Runtime that a library's file states; empty where it states none.
std::string stated_version(const LibraryFile& file) {
  const Numbers version = highest(file.defined, table("library").str("version_node"));
  return version.size() == 3 ? dotted("", version) : "";
}

}  // namespace

void check_needs(const LibraryFile& file, const std::string& path) {
  const std::vector<std::string> folders = folders_of(file, path);
  for (const std::string& name : file.needed) {
    if (!find_library(name, folders)) {
      throw Error("library_dependency", name, "a library of this name on the system",
                  "none, which " + quoted_path(path) + " needs");
    }
  }
  check_glibc(file);
  check_standard_library(file, folders);
}

const std::string& CheckedFile::check(const std::string& path) {
  struct stat status{};
  const bool there = ::stat(path.c_str(), &status) == 0;
  if (!there || !status_ || !same_file(status, *status_)) {
    status_.reset();
    const LibraryFile file = read_library_file(path);
    check_needs(file, path);
    version_ = stated_version(file);
    status_ = status;
  }
  return version_;
}

}  // namespace bundle::detail
