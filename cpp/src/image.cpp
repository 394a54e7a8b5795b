#include "image.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "bundle/error.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace bundle::detail {

std::uint64_t library_limit(const char* name) {
  return static_cast<std::uint64_t>(table("library").at("limits").num(name));
}

Image::Image(const std::string& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    fail("a folder or a device");
  }
  if (descriptor_.number() < 0 || ::fstat(descriptor_.number(), &status) != 0) {
    throw Error("library_not_found", ".", "ONNX Runtime's library at " + quoted_path(path),
                std::strerror(errno));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

void Image::fail(const std::string& found) const {
  throw Error("library_malformed", ".", "a whole ONNX Runtime library at " + quoted_path(path_), found);
}

void Image::check_span(std::uint64_t offset, std::uint64_t count, const char* what) const {
  if (offset > size_ || count > size_ - offset) {
    fail(std::string(what) + " that runs past the end of the file");
  }
}

std::string Image::read(std::uint64_t offset, std::uint64_t count, const char* what) const {
  check_span(offset, count, what);
  // A file of holes may be larger than any memory; no linker writes tables of this size.
  if (count > library_limit("table_bytes")) {
    fail(std::string(what) + " of " + std::to_string(count) + " bytes");
  }
  std::string bytes(count, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::pread(descriptor_.number(), bytes.data() + done, bytes.size() - done,
                                static_cast<off_t>(offset + done));
    if (got <= 0) {
      fail("a file that cannot be read");
    }
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Names::Names(const Image& image, std::uint64_t offset, std::uint64_t size)
    : image_(&image), text_(image.read(offset, size, "a table of names")) {}

std::string Names::at(std::uint64_t offset) const {
  if (offset >= text_.size()) {
    image_->fail("a name outside of its table");
  }
  // No further than a name may reach: many names without an end would take hours.
  const std::uint64_t most = library_limit("name_bytes");
  const std::string_view name = std::string_view(text_).substr(offset, most + 1);
  const std::size_t end = name.find('\0');
  if (end == std::string_view::npos) {
    image_->fail(name.size() > most ? "a name that is too long" : "a name outside of its table");
  }
  return std::string(name.substr(0, end));
}

bool Names::is(std::uint64_t offset, std::string_view name) const {
  return offset < text_.size() && text_.compare(offset, name.size() + 1, std::string(name) + '\0') == 0;
}

}  // namespace bundle::detail
