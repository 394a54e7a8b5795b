#include "durable.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace bundle::detail {

namespace {

/// How many folders of a tree are open at once while it is walked.
constexpr int open_folders = 16;

int remove_one(const char* path, const struct stat* /*status*/, int /*type*/, FTW* /*place*/) {
  std::remove(path);
  return 0;
}

/// Returns what the system said, 0 where it is done: no exception may pass through the C library.
int finish_one(const char* path, const struct stat* /*status*/, int type, FTW* /*place*/) {
  if (type != FTW_DP) {
    return 0;
  }
  const Descriptor descriptor(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool done = descriptor.number() >= 0 && ::fchmod(descriptor.number(), 0755) == 0 &&
                    ::fsync(descriptor.number()) == 0;
  return done ? 0 : errno;
}

}  // namespace

void system_refused() { throw std::system_error(errno, std::generic_category()); }

NewFile::NewFile(const std::string& path)
    : file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)) {
  if (file_.number() < 0) {
    system_refused();
  }
}

void NewFile::write(std::string_view piece) {
  while (!piece.empty()) {
    const ssize_t count = ::write(file_.number(), piece.data(), piece.size());
    if (count < 0 && errno != EINTR) {
      system_refused();
    }
    piece.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
  }
}

void NewFile::finish() {
  if (::fchmod(file_.number(), 0644) != 0 || ::fsync(file_.number()) != 0) {
    system_refused();
  }
}

void make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    system_refused();
  }
}

void make_open_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0 ? ::chmod(path.c_str(), 0755) != 0 : errno != EEXIST) {
    system_refused();
  }
}

void make_folders_to(const std::string& root, const std::string& path) {
  for (std::size_t i = root.size() + 1; i < path.size(); ++i) {
    if (path[i] == '/') {
      make_folder(path.substr(0, i));
    }
  }
}

std::vector<std::string> names_in(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> handle(::opendir(folder.c_str()), ::closedir);
  if (handle == nullptr) {
    system_refused();
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(handle.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") {
      names.push_back(name);
    }
  }
  return names;
}

void sync_folder(const std::string& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.number() < 0 || ::fsync(descriptor.number()) != 0) {
    system_refused();
  }
}

void finish_tree(const std::string& folder) {
  const int error = ::nftw(folder.c_str(), finish_one, open_folders, FTW_DEPTH | FTW_PHYS);
  if (error > 0) {
    errno = error;
  }
  if (error != 0) {
    system_refused();
  }
}

void rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    system_refused();
  }
}

bool exchange(const std::string& one, const std::string& other) {
  return ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0;
}

void place_link(const std::string& target, const std::string& path, const std::string& temporary) {
  if (::symlink(target.c_str(), temporary.c_str()) != 0) {
    system_refused();
  }
  rename(temporary, path);
}

void remove_tree(const std::string& folder) noexcept {
  ::nftw(folder.c_str(), remove_one, open_folders, FTW_DEPTH | FTW_PHYS);
}

}  // namespace bundle::detail
