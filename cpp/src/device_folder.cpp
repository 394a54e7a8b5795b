#include "device_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include "bundle/error.hpp"
#include "durable.hpp"
#include "manifest_data.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

const std::string blobs = "sha256";
const std::string staging = "staging";
const std::string work = "staging/update";
const std::string staged_bundle = "staging/update/bundle";

const char* name_of(Link link) { return link == Link::current ? "current" : "previous"; }

Error unwritable(const std::string& folder, const std::string& found) {
  return {"store_unwritable", folder, "a device folder that can be written", found};
}

std::string text_of(const std::string& digest) { return blobs + "/" + digest; }

/// Waits until no other process holds the lock.
bool lock(const Descriptor& folder) {
  while (::flock(folder.number(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

/// The folder with links resolved; empty, and `errno`, where it is not there.
std::string resolved(const std::string& folder) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(folder.c_str(), nullptr), &std::free);
  return real == nullptr ? std::string() : real.get();
}

std::string opened(const std::string& folder, DeviceFolder::Missing missing) {
  std::string root = resolved(folder);
  if (root.empty() && missing == DeviceFolder::Missing::make) {
    make_folders_to("", folder + "/");
    root = resolved(folder);
    if (!root.empty()) {
      sync_folder(root + "/..");
    }
  }
  if (root.empty()) {
    system_refused();
  }
  return root;
}

/// The text of a symbolic link; empty where there is none, or a longer one than this library writes.
std::string link_text(const std::string& path) {
  std::array<char, 128> text{};
  const ssize_t length = ::readlink(path.c_str(), text.data(), text.size());
  return length < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace

DeviceFolder::DeviceFolder(const std::string& folder, Missing missing) : subject_(folder), lock_(-1) {
  // A zero byte would cut the path short.
  if (folder.find('\0') != std::string::npos) {
    throw unwritable(folder, "no path");
  }
  writing([&] {
    root_ = opened(folder, missing);
    lock_ = Descriptor(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (lock_.number() < 0 || !lock(lock_)) {
      system_refused();
    }
  });
  check_entries();
  remove_tree(path(work));
}

DeviceFolder::~DeviceFolder() {
  if (status_of(path(work))) {
    remove_tree(path(work));
  }
}

/// Check U4.
void DeviceFolder::check_entries() const {
  auto refuse = [&](const char* name, const char* expected, const char* found) {
    throw Error("device_folder_unsuitable", subject_, quoted(name) + " to be " + expected, found);
  };
  if (const auto refs = status_of(path("refs"))) {
    refuse("refs", "missing, as it is where only updates write", kind(*refs));
  }
  for (const char* name : {blobs.c_str(), staging.c_str()}) {
    const auto status = status_of(path(name));
    if (status && !S_ISDIR(status->st_mode)) {
      refuse(name, "a folder", kind(*status));
    }
  }
  for (const char* name : {name_of(Link::current), name_of(Link::previous)}) {
    const auto status = status_of(path(name));
    if (status && !S_ISLNK(status->st_mode)) {
      refuse(name, "a symbolic link", kind(*status));
    }
  }
}

std::optional<std::string> DeviceFolder::said(Link link) const {
  const std::string text = link_text(path(name_of(link)));
  const std::string start = text_of("");
  if (!begins_with(text, start) || !is_digest(text.substr(start.size()))) {
    return std::nullopt;
  }
  return text.substr(start.size());
}

std::optional<std::string> DeviceFolder::before() const {
  const std::optional<std::string> digest = said(Link::previous);
  return digest == said(Link::current) ? std::nullopt : digest;
}

std::string DeviceFolder::blob(const std::string& digest) const { return path(text_of(digest)); }

std::optional<Manifest> DeviceFolder::manifest(const std::string& digest) const {
  try {
    return open_manifest(blob(digest), digest);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<Bundle> DeviceFolder::whole(const std::string& digest) const {
  try {
    return Bundle::open(blob(digest), Options().set("digest", digest));
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string DeviceFolder::stage(const std::function<void(const std::string& folder)>& fill) const {
  const std::string bundle = path(staged_bundle);
  writing([&] {
    make_folders_to(root_, bundle);
    make_folder(bundle);
    fill(bundle);
    finish_tree(bundle);
  });
  return bundle;
}

/// Step (1) of the switch.
void DeviceFolder::place(const std::string& digest) const {
  const std::string staged = path(staged_bundle);
  const std::string target = blob(digest);
  make_open_folder(path(blobs));
  if (status_of(target) && exchange(staged, target)) {
    return;
  }
  if (!status_of(target)) {
    rename(staged, target);
    return;
  }
  const std::string damaged = path(work) + "/damaged";
  rename(target, damaged);
  try {
    rename(staged, target);
  } catch (const std::system_error&) {
    // What stays in `damaged` is deleted with the work in progress.
    rename(damaged, target);
    throw;
  }
}

void DeviceFolder::set_link(Link link, const std::string& text) const {
  make_folders_to(root_, path(work) + "/");
  place_link(text, path(name_of(link)), path(work) + "/" + name_of(link));
}

void DeviceFolder::switch_to(const std::string& digest, bool staged) const {
  const std::optional<std::string> old = said(Link::current);
  writing([&] {
    if (staged) {
      place(digest);
    }
    sync_folder(path(blobs));
    sync_folder(root_);
    if (old != digest) {
      if (old && whole(*old)) {
        set_link(Link::previous, text_of(*old));
      }
      set_link(Link::current, text_of(digest));
    }
    sync_folder(root_);
  });
}

void DeviceFolder::swap_links() const {
  const std::string current = path(name_of(Link::current));
  const std::string previous = path(name_of(Link::previous));
  const std::optional<std::string> old = said(Link::current);
  const std::string back = text_of(said(Link::previous).value_or(""));
  writing([&] {
    if (!old) {
      rename(previous, current);
    } else if (!exchange(current, previous)) {
      set_link(Link::current, back);
      set_link(Link::previous, text_of(*old));
    }
    sync_folder(root_);
  });
}

void DeviceFolder::remove_others() const noexcept {
  try {
    for (const std::string& name : names_in(path(blobs))) {
      if (is_digest(name) && name != said(Link::current) && name != said(Link::previous)) {
        make_folders_to(root_, path(work) + "/");
        rename(blob(name), path(work) + "/" + name);
      }
    }
  } catch (const std::exception&) {
    // The next update tries again.
    return;
  }
}

void DeviceFolder::writing(const std::function<void()>& write) const {
  try {
    write();
  } catch (const std::system_error& error) {
    throw unwritable(subject_, error.code().message());
  }
}

}  // namespace bundle::detail
