#include "bundle/update.hpp"

#include <utility>

#include "archive.hpp"
#include "bundle/error.hpp"
#include "bundle/predictor.hpp"
#include "device_folder.hpp"
#include "durable.hpp"
#include "memory.hpp"
#include "option_tree.hpp"
#include "text.hpp"

namespace bundle {

namespace detail {

namespace {

/// Check U5.
void check_version(const DeviceFolder& folder, const Manifest& offered, bool replace) {
  const std::optional<std::string> digest = folder.said(Link::current);
  const std::optional<Manifest> running = digest ? folder.manifest(*digest) : std::nullopt;
  if (!running) {
    return;
  }
  if (offered.name() != running->name()) {
    throw Error("name_mismatch", offered.name(), running->name(), offered.name());
  }
  const auto numbers = version_numbers(offered.version());
  const auto before = version_numbers(running->version());
  const std::string subject = offered.name() + "@" + offered.version();
  if (numbers < before) {
    throw Error("version_older", subject, running->version() + " or a higher version", offered.version());
  }
  if (numbers == before && offered.digest() != running->digest() && !replace) {
    throw Error("version_conflict", subject, running->digest(), offered.digest());
  }
}

/// Checks U6 and U7: writes what the archive holds, but no statements.
Bundle written(const DeviceFolder& folder, const Archive& archive) {
  const std::string path = folder.stage([&](const std::string& root) {
    for (const Entry& entry : archive.entries()) {
      const std::string target = root + "/" + entry.path;
      make_folders_to(root, target);
      NewFile file(target);
      archive.read(entry, [&](std::string_view piece) { file.write(piece); });
      file.finish();
    }
  });
  return Bundle::open(path, Options().set("digest", archive.manifest().digest()));
}

/// Check U8.
void check_answers(const Bundle& bundle, const Options& options) {
  const SelfTest result = Predictor::open(bundle, options).self_test();
  for (const CaseResult& one : result.cases) {
    for (const OutputResult& output : one.outputs) {
      if (!output.passed) {
        throw Error("self_test_failed", one.name + "/" + output.name,
                    "the recorded output within its tolerance",
                    "a difference of up to " + std::to_string(output.worst));
      }
    }
  }
}

Updated result_of(const DeviceFolder& folder, const Manifest& running, bool changed) {
  Updated updated{running.digest(), running.name(), running.version(), std::nullopt, changed};
  const std::optional<std::string> before = folder.before();
  if (const auto manifest = before ? folder.manifest(*before) : std::nullopt) {
    updated.previous = manifest->version();
  }
  return updated;
}

Updated updated(const std::string& folder, const std::string& archive, const Options& options) {
  const UpdateOptions wanted = update_options(options);
  const auto offered = Archive::open(archive, wanted.digest, wanted.max_bytes);
  const Manifest& manifest = offered.manifest();
  const DeviceFolder device(folder, DeviceFolder::Missing::make);
  check_version(device, manifest, wanted.replace);
  const std::optional<Bundle> there = device.whole(manifest.digest());
  const bool changed = !there || device.said(Link::current) != manifest.digest();
  if (changed) {
    check_answers(there ? *there : written(device, offered), wanted.opening);
    device.switch_to(manifest.digest(), !there);
  }
  device.remove_others();
  return result_of(device, manifest, changed);
}

Updated rolled_back(const std::string& folder) {
  const DeviceFolder device(folder, DeviceFolder::Missing::refuse);
  const std::optional<std::string> digest = device.before();
  const std::optional<Bundle> bundle = digest ? device.whole(*digest) : std::nullopt;
  if (!bundle) {
    throw Error("rollback_impossible", "previous", "a whole bundle that ran before",
                digest ? "a damaged one" : "none");
  }
  device.swap_links();
  return result_of(device, bundle->manifest(), true);
}

}  // namespace

}  // namespace detail

Updated update(const std::string& folder, const std::string& archive, const Options& options) {
  return detail::opening([&] { return detail::updated(folder, archive, options); });
}

Updated rollback(const std::string& folder) {
  return detail::opening([&] { return detail::rolled_back(folder); });
}

}  // namespace bundle
