#include "files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <vector>

#include "bundle/error.hpp"
#include "sha256.hpp"

namespace bundle::detail {

namespace {

Error missing(const std::string& subject) {
  return {"file_missing", subject, "a file that can be read", std::strerror(errno)};
}

/// Reads once; 0 at the end of the file.
std::size_t read_some(const OpenFile& file, char* to, std::size_t most, const std::string& subject) {
  while (true) {
    const ssize_t count = ::read(file.descriptor.number(), to, most);
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR) {
      throw missing(subject);
    }
  }
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) {
    ::close(number_);
  }
}

std::optional<struct stat> status_of(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    return std::nullopt;
  }
  return status;
}

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
         one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

const char* kind(const struct stat& status) {
  if (S_ISLNK(status.st_mode)) {
    return "a link";
  }
  if (S_ISDIR(status.st_mode)) {
    return "a folder";
  }
  return S_ISREG(status.st_mode) ? "a regular file" : "a device, pipe or socket";
}

void check_regular(const struct stat& status, const std::string& subject) {
  if (!S_ISREG(status.st_mode)) {
    throw Error("file_not_regular", subject, "a regular file", kind(status));
  }
}

OpenFile open_regular(const std::string& path, const std::string& subject) {
  const auto before = status_of(path);
  if (!before) {
    throw missing(subject);
  }
  check_regular(*before, subject);
  // Should a pipe or a link take the file's place after it was checked, it is not waited for or followed.
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (descriptor.number() < 0 || ::fstat(descriptor.number(), &status) != 0) {
    throw missing(subject);
  }
  check_regular(status, subject);
  return {std::move(descriptor), static_cast<std::uint64_t>(status.st_size)};
}

std::string read_head(const OpenFile& file, std::uint64_t most, const std::string& subject) {
  constexpr std::size_t piece = 1 << 16;
  std::string data;
  while (data.size() < most) {
    const std::size_t before = data.size();
    data.resize(before + static_cast<std::size_t>(std::min<std::uint64_t>(most - before, piece)));
    const std::size_t count = read_some(file, data.data() + before, data.size() - before, subject);
    data.resize(before + count);
    if (count == 0) {
      break;
    }
  }
  return data;
}

Content read_content(const OpenFile& file, std::string_view sign, const std::string& subject,
                     std::uint64_t workload) {
  constexpr std::size_t piece = 1 << 18;
  // Bytes kept from the piece before, so that a sign across the seam is seen.
  const std::size_t overlap = sign.empty() ? 0 : sign.size() - 1;
  std::vector<char> buffer(overlap + piece);
  std::size_t kept = 0;
  bool found = false;
  Sha256 hash(workload);
  while (const std::size_t count = read_some(file, buffer.data() + kept, piece, subject)) {
    hash.update({buffer.data() + kept, count});
    const std::size_t end = kept + count;
    found = found || (!sign.empty() && ::memmem(buffer.data(), end, sign.data(), sign.size()) != nullptr);
    kept = std::min(overlap, end);
    std::memmove(buffer.data(), buffer.data() + (end - kept), kept);
  }
  return {hash.hex(), found};
}

}  // namespace bundle::detail
