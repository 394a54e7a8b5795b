// Files below a bundle, read so that no link is followed, no pipe waited for, and no file held in memory.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bundle::detail {

/// An open file of the system; closed by the destructor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  int number() const { return number_; }

 private:
  int number_;
};

/// A regular file that is open for reading.
struct OpenFile {
  Descriptor descriptor;
  std::uint64_t size;
};

/// Opens a regular file. `subject` is its path inside the bundle, for the error.
/// Throws Error `file_missing` or `file_not_regular`.
OpenFile open_regular(const std::string& path, const std::string& subject);

/// The status of a path, links not followed; none where there is nothing, and `errno` says why.
std::optional<struct stat> status_of(const std::string& path);

/// Whether two statuses are of one file that was not written in between.
bool same_file(const struct stat& one, const struct stat& other);

/// What a status is of, in words.
const char* kind(const struct stat& status);

/// Refuses (`file_not_regular`) what is no regular file.
void check_regular(const struct stat& status, const std::string& subject);

/// Reads up to `most` bytes from the beginning. Throws Error `file_missing` where the system refuses.
std::string read_head(const OpenFile& file, std::uint64_t most, const std::string& subject);

struct Content {
  std::string sha256;
  /// Whether the bytes that were looked for are in the file.
  bool found;
};

/// Reads a file to its end; `sign` are the bytes to look for, empty for none. `workload` is how many bytes
/// will be hashed in all, this file and others.
Content read_content(const OpenFile& file, std::string_view sign, const std::string& subject,
                     std::uint64_t workload);

}  // namespace bundle::detail
