// Which file of a variant to load: check P4.
#pragma once

#include <set>
#include <string>

#include "option_tree.hpp"

namespace bundle::detail {

/// The host's architecture under the name that spec/targets.json has for it.
const std::string& host_arch();

/// The CPU features, of those that spec/targets.json names, that this host has.
std::set<std::string> host_features();

struct FileChoice {
  std::string format;
  /// Inside the bundle.
  std::string path;
  /// Why this file.
  std::string reason;
};

/// Chooses the file of a variant; `wanted` is the format that the caller insists on, or null.
/// Throws Error `format_unavailable`, `target_mismatch` or `library_ort_format`.
FileChoice choose_file(const ManifestData& manifest, const Variant& variant,
                       const std::string& library_version, const std::string* wanted, bool foreign);

}  // namespace bundle::detail
