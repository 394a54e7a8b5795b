#include "bundle/bundle.hpp"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "bundle/error.hpp"
#include "files.hpp"
#include "manifest_data.hpp"
#include "memory.hpp"
#include "option_tree.hpp"
#include "sha256.hpp"
#include "text.hpp"

namespace bundle {

namespace detail {

namespace {

const std::string manifest_name = "bundle.json";
const std::string statements = "attest";

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using FolderHandle = std::unique_ptr<DIR, CloseFolder>;

/// Check O1.
std::string resolve(const std::string& path) {
  // A zero byte would cut the path short.
  if (path.find('\0') == std::string::npos) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (real != nullptr && FolderHandle(::opendir(real.get())) != nullptr) {
      return real.get();
    }
  }
  throw Error("bundle_not_found", ".", "a folder at " + quoted_path(path), std::strerror(errno));
}

/// Checks O2, M1, O3, then M2 to M14.
Manifest read_manifest(const std::string& root, const std::string& digest) {
  const OpenFile file = open_regular(root + "/" + manifest_name, manifest_name);
  const std::string bytes = read_head(file, max_manifest + 1, manifest_name);
  check_manifest_size(bytes.size());
  const std::string identity = digest.empty() ? std::string() : sha256_hex(bytes);
  if (identity != digest) {
    throw Error("bundle_digest_mismatch", manifest_name, digest, identity);
  }
  return Manifest::parse(bytes);
}

/// The folders on the way to a file of the bundle, outermost first.
std::vector<std::string> folders_of(const std::string& path) {
  std::vector<std::string> folders;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '/') {
      folders.push_back(path.substr(0, i));
    }
  }
  return folders;
}

struct stat existing(const std::string& root, const std::string& path, const std::string& subject) {
  const auto status = status_of(root + "/" + path);
  if (!status) {
    throw Error("file_missing", subject, "a file", std::strerror(errno));
  }
  return *status;
}

/// Check O4; returns the sizes, and the folders that lead to files in `folders`.
std::vector<std::int64_t> check_files(const std::string& root, const std::vector<File>& files,
                                      std::set<std::string>& folders) {
  std::vector<std::int64_t> sizes;
  for (const File& file : files) {
    for (const std::string& folder : folders_of(file.path)) {
      if (folders.count(folder) > 0) {
        continue;
      }
      if (!S_ISDIR(existing(root, folder, file.path).st_mode)) {
        throw Error("file_not_regular", file.path, "a regular file in plain folders", "no folder on its way");
      }
      folders.insert(folder);
    }
    const struct stat status = existing(root, file.path, file.path);
    check_regular(status, file.path);
    sizes.push_back(status.st_size);
  }
  return sizes;
}

/// Check O5. Names are bytes: a file system may hold some that are no UTF-8.
void refuse_unexpected(const std::string& root, const std::vector<File>& files,
                       const std::set<std::string>& folders) {
  std::set<std::string> known = folders;
  known.insert({manifest_name, statements});
  for (const File& file : files) {
    known.insert(file.path);
  }
  std::string unexpected;
  bool any = false;
  std::vector<std::string> visited(folders.begin(), folders.end());
  visited.emplace_back();
  for (const std::string& folder : visited) {
    const FolderHandle handle(::opendir((root + "/" + folder).c_str()));
    if (handle == nullptr) {
      throw Error("file_missing", folder.empty() ? "." : folder, "a folder that can be listed",
                  std::strerror(errno));
    }
    while (const dirent* entry = ::readdir(handle.get())) {
      const std::string name = entry->d_name;
      const std::string path = folder.empty() ? name : folder + "/" + name;
      if (name != "." && name != ".." && known.count(path) == 0 && (!any || path < unexpected)) {
        unexpected = path;
        any = true;
      }
    }
  }
  if (any) {
    throw Error("file_unexpected", replaced_utf8(unexpected), "only what the manifest lists",
                "something else");
  }
}

/// Check O6.
void check_sizes(const std::vector<File>& files, const std::vector<std::int64_t>& sizes) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].size != sizes[i]) {
      throw Error("file_size_mismatch", files[i].path, std::to_string(files[i].size) + " bytes",
                  std::to_string(sizes[i]) + " bytes");
    }
  }
}

/// The bytes that only a file with NCHWc nodes holds: in .ort an operator's id in the kernel type table, in
/// .onnx the field `domain` (number 7, 19 bytes long) of a node. Every file names the domain among its
/// imports.
std::string_view sign_of(const std::string& path) {
  if (!begins_with(path, "models/")) {
    return {};
  }
  if (ends_with(path, ".ort")) {
    return "com.microsoft.nchwc:";
  }
  return ends_with(path, ".onnx") ? "\x3a\x13"
                                    "com.microsoft.nchwc"
                                  : "";
}

/// Checks O7 and O8 while every file is read once; a digest outranks all findings of O8.
void check_content(const std::string& root, const std::vector<File>& files) {
  std::uint64_t workload = 0;
  for (const File& file : files) {
    workload += static_cast<std::uint64_t>(file.size);
  }
  std::string host_specific;
  for (const File& file : files) {
    const OpenFile opened = open_regular(root + "/" + file.path, file.path);
    const Content content = read_content(opened, sign_of(file.path), file.path, workload);
    if (content.sha256 != file.sha256) {
      throw Error("file_digest_mismatch", file.path, file.sha256, content.sha256);
    }
    if (content.found && host_specific.empty()) {
      host_specific = file.path;
    }
  }
  if (!host_specific.empty()) {
    throw Error("host_specific_model", host_specific, "operators that every CPU has", "NCHWc nodes");
  }
}

}  // namespace

Manifest open_manifest(const std::string& folder, const std::string& digest) {
  return read_manifest(resolve(folder), digest);
}

}  // namespace detail

Bundle Bundle::open(const std::string& path, const Options& options) {
  return detail::opening([&] { return checked(path, options); });
}

Bundle Bundle::checked(const std::string& path, const Options& options) {
  const detail::OpeningOptions opening = detail::opening_options(options.tree());
  const std::string root = detail::resolve(path);
  Manifest manifest = detail::read_manifest(root, opening.digest);
  const std::vector<detail::File>& files = manifest.data().files;
  std::set<std::string> folders;
  const std::vector<std::int64_t> sizes = detail::check_files(root, files, folders);
  detail::refuse_unexpected(root, files, folders);
  detail::check_sizes(files, sizes);
  if (opening.full) {
    detail::check_content(root, files);
  }
  return {root, std::move(manifest), opening.full};
}

}  // namespace bundle
