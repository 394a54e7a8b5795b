#include "elf.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "bundle/error.hpp"
#include "files.hpp"
#include "fit.hpp"
#include "spec.hpp"
#include "text.hpp"

namespace bundle::detail {

namespace {

constexpr const char* entry_point = "OrtGetApiBase";

/// A file that is read in pieces; every read that leaves it is `library_malformed`.
class Image {
 public:
  explicit Image(const std::string& path)
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

  [[noreturn]] void fail(const std::string& found) const {
    throw Error("library_malformed", ".", "a whole ONNX Runtime library at " + quoted_path(path_), found);
  }

  void check_span(std::uint64_t offset, std::uint64_t count, const char* what) const {
    if (offset > size_ || count > size_ - offset) {
      fail(std::string(what) + " that runs past the end of the file");
    }
  }

  std::vector<char> read(std::uint64_t offset, std::uint64_t count, const char* what) const {
    check_span(offset, count, what);
    std::vector<char> bytes(count);
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

  /// Reads a table of structures. Its count is 16 bits or was checked against the file's size.
  template <class Row>
  std::vector<Row> rows(std::uint64_t offset, std::uint64_t count, const char* what) const {
    if (count > size_ / sizeof(Row)) {
      fail(std::string(what) + " that runs past the end of the file");
    }
    const std::vector<char> bytes = read(offset, count * sizeof(Row), what);
    std::vector<Row> table(count);
    if (count > 0) {
      std::memcpy(table.data(), bytes.data(), bytes.size());
    }
    return table;
  }

 private:
  std::string path_;
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
};

Elf64_Ehdr header_of(const Image& image) {
  const auto header = image.rows<Elf64_Ehdr>(0, 1, "a header")[0];
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB) {
    image.fail("no ELF64 file");
  }
  const Json* target = table("targets").at("targets").find(host_arch());
  if (target != nullptr && header.e_machine != target->num("elf_machine")) {
    throw Error("library_architecture", ".", "machine " + dump(target->at("elf_machine")) + " of this host",
                "machine " + std::to_string(header.e_machine));
  }
  if (header.e_type != ET_DYN || header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0) {
    image.fail("an ELF file that is no shared library");
  }
  return header;
}

bool exports_entry_point(const Image& image, const std::vector<Elf64_Shdr>& sections,
                         const Elf64_Shdr& symbols) {
  if (symbols.sh_link >= sections.size()) {
    image.fail("symbols without names");
  }
  const Elf64_Shdr& names = sections[symbols.sh_link];
  std::vector<char> text = image.read(names.sh_offset, names.sh_size, "a table of names");
  text.push_back('\0');
  for (const auto& symbol :
       image.rows<Elf64_Sym>(symbols.sh_offset, symbols.sh_size / sizeof(Elf64_Sym), "a table of symbols")) {
    if (symbol.st_name < text.size() && symbol.st_shndx != SHN_UNDEF &&
        std::strcmp(text.data() + symbol.st_name, entry_point) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

void check_library_file(const std::string& path) {
  const Image image(path);
  const Elf64_Ehdr header = header_of(image);
  for (const auto& segment : image.rows<Elf64_Phdr>(header.e_phoff, header.e_phnum, "a table of segments")) {
    if (segment.p_type == PT_LOAD) {
      image.check_span(segment.p_offset, segment.p_filesz, "a segment");
    }
  }
  const auto sections = image.rows<Elf64_Shdr>(header.e_shoff, header.e_shnum, "a table of sections");
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type == SHT_DYNSYM && exports_entry_point(image, sections, section)) {
      return;
    }
  }
  image.fail(std::string("a library without ") + entry_point);
}

}  // namespace bundle::detail
