#include "elf.hpp"

#include <elf.h>

#include <algorithm>
#include <optional>

#include "bundle/error.hpp"
#include "fit.hpp"
#include "image.hpp"
#include "spec.hpp"

namespace bundle::detail {

namespace {

using Sections = std::vector<Elf64_Shdr>;

/// Check L2.
Elf64_Ehdr header_of(const Image& image) {
  const auto header = image.rows<Elf64_Ehdr>(0, 1, "a header")[0];
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB) {
    image.fail("no ELF64 file");
  }
  return header;
}

/// Check L3.
void check_machine(const Elf64_Ehdr& header) {
  const Json* target = table("targets").at("targets").find(host_arch());
  if (target != nullptr && header.e_machine != target->num("elf_machine")) {
    throw Error("library_architecture", ".", "machine " + dump(target->at("elf_machine")) + " of this host",
                "machine " + std::to_string(header.e_machine));
  }
}

/// Check L4.
Sections sections_of(const Image& image, const Elf64_Ehdr& header) {
  if (header.e_type != ET_DYN || header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0) {
    image.fail("an ELF file that is no shared library");
  }
  for (const auto& segment : image.rows<Elf64_Phdr>(header.e_phoff, header.e_phnum, "a table of segments")) {
    if (segment.p_type == PT_LOAD) {
      image.check_span(segment.p_offset, segment.p_filesz, "a segment");
    }
  }
  return image.rows<Elf64_Shdr>(header.e_shoff, header.e_shnum, "a table of sections");
}

const Elf64_Shdr* first_of(const Sections& sections, std::uint32_t type) {
  const auto place = std::find_if(sections.begin(), sections.end(),
                                  [&](const Elf64_Shdr& section) { return section.sh_type == type; });
  return place == sections.end() ? nullptr : &*place;
}

Names names_for(const Image& image, const Sections& sections, const Elf64_Shdr& section) {
  if (section.sh_link >= sections.size()) {
    image.fail("a table without names");
  }
  const Elf64_Shdr& names = sections[section.sh_link];
  return {image, names.sh_offset, names.sh_size};
}

/// Check L5.
void check_entry_point(const Image& image, const Sections& sections) {
  const std::string& entry = table("library").str("entry");
  if (const Elf64_Shdr* symbols = first_of(sections, SHT_DYNSYM)) {
    const Names names = names_for(image, sections, *symbols);
    for (const auto& symbol : image.rows<Elf64_Sym>(symbols->sh_offset, symbols->sh_size / sizeof(Elf64_Sym),
                                                    "a table of symbols")) {
      if (symbol.st_shndx != SHN_UNDEF && names.is(symbol.st_name, entry)) {
        return;
      }
    }
  }
  image.fail("a library without " + entry);
}

void read_dynamic(const Image& image, const Sections& sections, LibraryFile& file) {
  const Elf64_Shdr* section = first_of(sections, SHT_DYNAMIC);
  if (section == nullptr) {
    return;
  }
  const Names names = names_for(image, sections, *section);
  std::optional<std::string> run_path;
  std::string old_path;
  for (const auto& entry : image.rows<Elf64_Dyn>(section->sh_offset, section->sh_size / sizeof(Elf64_Dyn),
                                                 "a table for the loader")) {
    if (entry.d_tag == DT_NULL) {
      break;
    }
    if (entry.d_tag == DT_NEEDED) {
      if (file.needed.size() == library_limit("needed")) {
        image.fail("a library that needs too many others");
      }
      file.needed.push_back(names.at(entry.d_un.d_val));
    } else if (entry.d_tag == DT_RUNPATH) {
      run_path = names.at(entry.d_un.d_val);
    } else if (entry.d_tag == DT_RPATH) {
      old_path = names.at(entry.d_un.d_val);
    }
  }
  file.folders = run_path.value_or(old_path);
}

/// Walks a chain of at most `count` entries in a section: each says how far behind it the next one is, and
/// the last one 0. `room` is how many more entries this chain, and those that share it, may have.
template <class Row, class Next, class Visit>
void walk(const Image& image, const std::string& bytes, std::uint64_t offset, std::uint64_t count,
          std::uint64_t& room, Next next, Visit visit) {
  constexpr const char* what = "a table of versions";
  for (std::uint64_t i = 0; i < count; ++i) {
    // Chains that lead into one another would take hours.
    if (room == 0) {
      image.fail(std::string(what) + " with too many entries");
    }
    --room;
    const Row row = image.row<Row>(bytes, offset, what);
    visit(row, offset);
    if (next(row) == 0) {
      return;
    }
    offset += next(row);
  }
}

void read_asked(const Image& image, const Sections& sections, LibraryFile& file) {
  const Elf64_Shdr* section = first_of(sections, SHT_GNU_verneed);
  if (section == nullptr) {
    return;
  }
  const Names names = names_for(image, sections, *section);
  const std::string bytes = image.read(section->sh_offset, section->sh_size, "a table of asked versions");
  auto next_name = [](const Elf64_Vernaux& row) { return row.vna_next; };
  auto add_name = [&](const Elf64_Vernaux& row, std::uint64_t) {
    if ((row.vna_flags & VER_FLG_WEAK) == 0) {
      file.asked.back().names.push_back(names.at(row.vna_name));
    }
  };
  std::uint64_t room_for_names = library_limit("versions");
  auto next = [](const Elf64_Verneed& row) { return row.vn_next; };
  auto add = [&](const Elf64_Verneed& row, std::uint64_t offset) {
    file.asked.push_back({names.at(row.vn_file), {}});
    walk<Elf64_Vernaux>(image, bytes, offset + row.vn_aux, row.vn_cnt, room_for_names, next_name, add_name);
  };
  std::uint64_t room = library_limit("versions");
  walk<Elf64_Verneed>(image, bytes, 0, section->sh_info, room, next, add);
}

std::vector<std::string> read_defined(const Image& image, const Sections& sections) {
  std::vector<std::string> defined;
  const Elf64_Shdr* section = first_of(sections, SHT_GNU_verdef);
  if (section == nullptr) {
    return defined;
  }
  const Names names = names_for(image, sections, *section);
  const std::string bytes = image.read(section->sh_offset, section->sh_size, "a table of defined versions");
  auto next = [](const Elf64_Verdef& row) { return row.vd_next; };
  auto add = [&](const Elf64_Verdef& row, std::uint64_t offset) {
    // The first name is its own; those behind it are the versions that it continues. One entry names the
    // library itself.
    const auto name = image.row<Elf64_Verdaux>(bytes, offset + row.vd_aux, "a table of defined versions");
    if ((row.vd_flags & VER_FLG_BASE) == 0) {
      defined.push_back(names.at(name.vda_name));
    }
  };
  std::uint64_t room = library_limit("versions");
  walk<Elf64_Verdef>(image, bytes, 0, section->sh_info, room, next, add);
  return defined;
}

}  // namespace

LibraryFile read_library_file(const std::string& path) {
  const Image image(path);
  const Elf64_Ehdr header = header_of(image);
  check_machine(header);
  const Sections sections = sections_of(image, header);
  check_entry_point(image, sections);
  LibraryFile file;
  read_dynamic(image, sections, file);
  read_asked(image, sections, file);
  file.defined = read_defined(image, sections);
  return file;
}

std::vector<std::string> defined_versions(const std::string& path) {
  const Image image(path);
  return read_defined(image, sections_of(image, header_of(image)));
}

}  // namespace bundle::detail
