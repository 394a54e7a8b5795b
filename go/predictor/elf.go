package predictor

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// elfLibrary is what a whole shared library states of itself. It is read from the sections, as LIBRARY.md says;
// the standard library's parser passes over some faults that a reader of another language would find.
type elfLibrary struct {
	// entry tells that it exports what every ONNX Runtime does.
	entry bool
	// needed are the libraries that it needs, in order; runpath is where those are looked for first.
	needed, runpath []string
	// asked are, by library, the versions that it must define; weak ones are left out.
	asked map[string][]string
	// defined are the versions that this library defines.
	defined []string
}

// libraryLimit is one of the limits of library.json: no linker writes a larger table, or a longer list.
func libraryLimit(name string) uint64 {
	limit, _ := dig(table("library.json"), "limits", name).(float64)
	return uint64(limit)
}

// readElfHeader is check L2.
func readElfHeader(file io.ReaderAt) (*elf.Header64, error) {
	header := &elf.Header64{}
	raw := make([]byte, binary.Size(header))
	if _, err := file.ReadAt(raw, 0); err != nil {
		return nil, readElfFault(err, "a file shorter than an ELF header")
	}
	if _, err := binary.Decode(raw, binary.LittleEndian, header); err != nil {
		return nil, err
	}
	if string(header.Ident[:len(elf.ELFMAG)]) != elf.ELFMAG || elf.Class(header.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 ||
		elf.Data(header.Ident[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil, errors.New("a file that is no 64-bit little-endian ELF")
	}
	return header, nil
}

// readElfFault tells a file that ends too early from one that cannot be read.
func readElfFault(err error, short string) error {
	if errors.Is(err, io.EOF) {
		return errors.New(short)
	}
	return err
}

// readElf is check L4, and what check L5 asks of the sections.
func readElf(file io.ReaderAt, size uint64, header *elf.Header64) (*elfLibrary, error) {
	if elf.Type(header.Type) != elf.ET_DYN {
		return nil, errors.New("an ELF file that is no shared library")
	}
	image := elfImage{file, size}
	segments, err := elfTable[elf.Prog64](image, header.Phoff, header.Phentsize, header.Phnum, "segments")
	if err != nil {
		return nil, err
	}
	for _, segment := range segments {
		if elf.ProgType(segment.Type) == elf.PT_LOAD && !image.holds(segment.Off, segment.Filesz) {
			return nil, errors.New("a segment that runs past the end of the file")
		}
	}
	all, err := elfTable[elf.Section64](image, header.Shoff, header.Shentsize, header.Shnum, "sections")
	if err != nil {
		return nil, err
	}
	sections := &elfSections{image: image, all: all}
	library := &elfLibrary{asked: map[string][]string{}}
	for _, read := range []func(*elfLibrary) error{sections.symbols, sections.dynamic, sections.needs, sections.defines} {
		if err := read(library); err != nil {
			return nil, err
		}
	}
	return library, nil
}

// elfImage is the bytes of a file; what leads out of it is a fault.
type elfImage struct {
	file io.ReaderAt
	size uint64
}

func (i elfImage) holds(offset, count uint64) bool { return offset <= i.size && count <= i.size-offset }

func (i elfImage) bytes(offset, count uint64, what string) ([]byte, error) {
	if !i.holds(offset, count) {
		return nil, errors.New(what + " outside of the file")
	}
	if count > libraryLimit("table_bytes") {
		return nil, fmt.Errorf("%s of %d bytes", what, count)
	}
	data := make([]byte, count)
	if _, err := i.file.ReadAt(data, int64(offset)); err != nil {
		return nil, readElfFault(err, "a file that is written to while it is read")
	}
	return data, nil
}

// elfTable returns the rows of a table that the header names.
func elfTable[T any](image elfImage, offset uint64, size, count uint16, what string) ([]T, error) {
	var row T
	if count == 0 || int(size) != binary.Size(row) {
		return nil, errors.New("a file without a table of " + what)
	}
	data, err := image.bytes(offset, uint64(size)*uint64(count), "a table of "+what)
	if err != nil {
		return nil, err
	}
	return elfRows[T](data)
}

// elfRows returns the whole rows in some bytes.
func elfRows[T any](data []byte) ([]T, error) {
	var row T
	rows := make([]T, len(data)/binary.Size(row))
	_, err := binary.Decode(data, binary.LittleEndian, rows)
	return rows, err
}

// elfSections are the sections that linkers write for the loader.
type elfSections struct {
	image elfImage
	all   []elf.Section64
}

// first returns the content of the first section of a kind, the content of its table of names, and its count
// of entries; nothing where there is none.
func (s *elfSections) first(kind elf.SectionType) (data, names []byte, count uint32, err error) {
	index := slices.IndexFunc(s.all, func(each elf.Section64) bool { return elf.SectionType(each.Type) == kind })
	if index < 0 {
		return nil, nil, 0, nil
	}
	section := &s.all[index]
	if uint64(section.Link) >= uint64(len(s.all)) {
		return nil, nil, 0, errors.New("a section without its names")
	}
	if data, err = s.content(section); err == nil {
		names, err = s.content(&s.all[section.Link])
	}
	return data, names, section.Info, err
}

func (s *elfSections) content(section *elf.Section64) ([]byte, error) {
	if elf.SectionType(section.Type) == elf.SHT_NOBITS {
		return nil, nil
	}
	return s.image.bytes(section.Off, section.Size, "a section")
}

// elfText returns a name in a table of names, as a part of it.
func elfText(names []byte, place uint64) ([]byte, error) {
	if place >= uint64(len(names)) {
		return nil, errors.New("a name outside of the table of names")
	}
	rest := names[place:]
	// Long names that overlap would take all memory.
	text, _, ends := bytes.Cut(rest[:min(uint64(len(rest)), libraryLimit("name_bytes")+1)], []byte{0})
	if !ends {
		return nil, errors.New("a name that is too long, or ends outside of the table of names")
	}
	return text, nil
}

func (s *elfSections) symbols(library *elfLibrary) error {
	data, names, _, err := s.first(elf.SHT_DYNSYM)
	if err != nil {
		return err
	}
	symbols, err := elfRows[elf.Sym64](data)
	if err != nil {
		return err
	}
	entry := append([]byte(apiEntry()), 0)
	library.entry = slices.ContainsFunc(symbols, func(symbol elf.Sym64) bool {
		// A name outside of the table is that of a symbol that nobody can ask for.
		return elf.SectionIndex(symbol.Shndx) != elf.SHN_UNDEF && uint64(symbol.Name) < uint64(len(names)) &&
			bytes.HasPrefix(names[symbol.Name:], entry)
	})
	return nil
}

func (s *elfSections) dynamic(library *elfLibrary) error {
	data, names, _, err := s.first(elf.SHT_DYNAMIC)
	if err != nil {
		return err
	}
	rows, err := elfRows[elf.Dyn64](data)
	if err != nil {
		return err
	}
	folders := map[elf.DynTag]string{}
	most := libraryLimit("needed")
	for _, row := range rows {
		tag := elf.DynTag(row.Tag)
		if tag == elf.DT_NULL {
			break
		}
		if tag != elf.DT_NEEDED && tag != elf.DT_RPATH && tag != elf.DT_RUNPATH {
			continue
		}
		text, err := elfText(names, row.Val)
		if err != nil {
			return err
		}
		if tag != elf.DT_NEEDED {
			folders[tag] = string(text)
			continue
		}
		if uint64(len(library.needed)) >= most {
			return errors.New("a library that needs too many others")
		}
		library.needed = append(library.needed, string(text))
	}
	// DT_RPATH is the older of the two, and counts only without the other.
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		if text, known := folders[tag]; known {
			library.runpath = slices.DeleteFunc(strings.Split(text, ":"), func(folder string) bool { return folder == "" })
		}
	}
	return nil
}
