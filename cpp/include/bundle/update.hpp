// Change the bundle that a device runs, so that it is whole at every moment.
#pragma once

#include <optional>
#include <string>

#include "bundle/options.hpp"

namespace bundle {

/// What a device folder holds after it was changed.
struct Updated {
  /// The identity of the bundle that runs, and the name and version of its model.
  std::string digest, name, version;
  /// The version that a rollback would bring back; none where there is nothing to roll back to.
  std::optional<std::string> previous;
  /// Whether the device runs other files than before.
  bool changed = false;
};

/// Lets a device run the bundle of an archive, once that bundle has proved itself on this machine: it is
/// checked, written beside the one that runs, opened, and its self-test replayed. Only then does
/// `FOLDER/current`, which programs open, lead to it. A kill at any moment leaves the old bundle or the new
/// one. Safe for several processes and threads at once: each waits for the one before.
/// @param folder the device folder (spec/STORE.md section 4); made where it is not there.
/// @param archive the file.
/// @param options `digest` (the expected identity), `max_bytes` (refuse a longer archive), `replace` (take
///   another bundle of the same version), and those of a predictor, with which the new bundle is opened.
/// @throws Error `option_invalid`; codes of the stages update, manifest, open, library and predict by the
///   checks U1 to U9 in their order. The device then runs what it ran before.
Updated update(const std::string& folder, const std::string& archive, const Options& options = {});

/// Lets a device run the bundle again that ran before the last update; a second rollback takes the first
/// back.
/// @throws Error `store_unwritable`, `device_folder_unsuitable` or `rollback_impossible`.
Updated rollback(const std::string& folder);

}  // namespace bundle
