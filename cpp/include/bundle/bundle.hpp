// A bundle on disk: a folder that is exactly what its manifest seals.
#pragma once

#include <memory>
#include <string>

#include "bundle/manifest.hpp"
#include "bundle/options.hpp"

namespace bundle {

/// An open bundle. Copies are cheap; immutable, so safe from any thread. Holds no file open.
class Bundle {
 public:
  /// Opens the bundle in a folder and proves that it is whole.
  /// @param path the folder; it may be a link, which is resolved once.
  /// @param options of these only `digest` (the expected identity) and `mode` (`full` or `quick`) are looked
  /// at.
  /// @throws Error `option_invalid` about those two; then a code of stage `open` or `manifest`, by the checks
  ///   O1 to O8 in their order.
  static Bundle open(const std::string& path, const Options& options = {});

  const Manifest& manifest() const noexcept { return manifest_; }
  /// The folder, links resolved.
  const std::string& path() const noexcept { return path_; }
  /// Whether every check was made; false in mode `quick`.
  bool full() const noexcept { return full_; }

 private:
  static Bundle checked(const std::string& path, const Options& options);

  Bundle(std::string path, Manifest manifest, bool full)
      : path_(std::move(path)), manifest_(std::move(manifest)), full_(full) {}

  std::string path_;
  Manifest manifest_;
  bool full_;
};

}  // namespace bundle
