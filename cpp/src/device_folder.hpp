// A device folder as STORE.md section 4 describes it, held by this process alone.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "bundle/bundle.hpp"
#include "files.hpp"

namespace bundle::detail {

/// A link of a device folder that leads to a bundle.
enum class Link { current, previous };

/// A locked device folder. Another process that wants it waits until this object is destroyed, which also
/// deletes what is left of the work in progress.
class DeviceFolder {
 public:
  enum class Missing { make, refuse };

  /// Locks a folder and judges what lies in it (U3 or V1, then U4). Throws Error `store_unwritable` or
  /// `device_folder_unsuitable`.
  DeviceFolder(const std::string& folder, Missing missing);
  ~DeviceFolder();
  DeviceFolder(const DeviceFolder&) = delete;
  DeviceFolder& operator=(const DeviceFolder&) = delete;

  /// The identity that a link says; none where it says nothing.
  std::optional<std::string> said(Link link) const;
  /// The same of `previous`, where it counts.
  std::optional<std::string> before() const;
  /// The manifest of a bundle, which may be damaged otherwise; none where it cannot be read.
  std::optional<Manifest> manifest(const std::string& digest) const;
  /// A bundle, if it is whole.
  std::optional<Bundle> whole(const std::string& digest) const;

  /// Makes `staging/update/bundle/` and hands it to `fill`; what is in it afterwards is on the disk (U6).
  std::string stage(const std::function<void(const std::string& folder)>& fill) const;
  /// Puts the bundle in its place, where this update `staged` it, and lets `current` lead to it (U9).
  void switch_to(const std::string& digest, bool staged) const;
  /// Lets `current` and `previous` change places (V4).
  void swap_links() const;
  /// Deletes the bundles that no link says; what goes wrong is no error.
  void remove_others() const noexcept;

 private:
  std::string path(const std::string& name) const { return root_ + "/" + name; }
  std::string blob(const std::string& digest) const;
  void check_entries() const;
  void set_link(Link link, const std::string& text) const;
  void place(const std::string& digest) const;
  void writing(const std::function<void()>& write) const;

  /// As the caller gave it, for errors.
  std::string subject_;
  std::string root_;
  Descriptor lock_;
};

}  // namespace bundle::detail
