package predictor

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"
)

// elfPart is a section of a made library, whose names stand in the first one.
type elfPart struct {
	kind elf.SectionType
	info uint32
	rows []any
}

// madeElf returns what a library with these names and sections states.
func madeElf(t testing.TB, names []byte, parts ...elfPart) (*elfLibrary, error) {
	t.Helper()
	const headerSize, segmentSize, sectionSize = 64, 56, 64
	var contents bytes.Buffer
	var sections []elf.Section64
	add := func(kind elf.SectionType, info uint32, rows ...any) {
		start := contents.Len()
		for _, row := range rows {
			must(t, binary.Write(&contents, binary.LittleEndian, row))
		}
		place, size := uint64(headerSize+segmentSize+start), uint64(contents.Len()-start)
		sections = append(sections, elf.Section64{Type: uint32(kind), Info: info, Off: place, Size: size})
	}
	add(elf.SHT_STRTAB, 0, names)
	for _, part := range parts {
		add(part.kind, part.info, part.rows...)
	}
	header := elf.Header64{
		Type: uint16(elf.ET_DYN), Phoff: headerSize, Phentsize: segmentSize, Phnum: 1,
		Shoff: uint64(headerSize + segmentSize + contents.Len()), Shentsize: sectionSize, Shnum: uint16(len(sections)),
	}
	var whole bytes.Buffer
	for _, piece := range []any{header, elf.Prog64{}, contents.Bytes(), sections} {
		must(t, binary.Write(&whole, binary.LittleEndian, piece))
	}
	return readElf(bytes.NewReader(whole.Bytes()), uint64(whole.Len()), &header)
}

// takenUpTo fails unless a library is taken at a limit of library.json and refused beyond it.
func takenUpTo(t *testing.T, limit string, made func(count int) (*elfLibrary, error)) {
	t.Helper()
	most := int(libraryLimit(limit))
	if _, err := made(most); err != nil {
		t.Errorf("%d: %v", most, err)
	}
	if _, err := made(most + 1); err == nil {
		t.Errorf("%d are more than %s", most+1, limit)
	}
}

// repeated returns count rows that say how far the next one stands, and a last one that ends the list.
func repeated(count int, row func(last bool) any) []any {
	var rows []any
	for index := range count {
		rows = append(rows, row(index == count-1))
	}
	return rows
}

// elfNeed and elfNode are an entry of SHT_GNU_verneed and of its versions; elfDefinition is one of
// SHT_GNU_verdef, with its one name.
type (
	elfNeed struct {
		Version, Count    uint16
		File, Nodes, Next uint32
	}
	elfNode struct {
		Hash         uint32
		Flags, Other uint16
		Name, Next   uint32
	}
	elfDefinition struct {
		Version, Flags, Index, Count uint16
		Hash, Names, Next            uint32
		Name, NextName               uint32
	}
)

func stepTo(last bool, size uint32) uint32 {
	if last {
		return 0
	}
	return size
}

func TestNamesOfALibraryHaveALimit(t *testing.T) {
	for _, tag := range []elf.DynTag{elf.DT_NEEDED, elf.DT_RPATH, elf.DT_RUNPATH} {
		takenUpTo(t, "name_bytes", func(count int) (*elfLibrary, error) {
			names := []byte(strings.Repeat("n", count) + "\x00")
			return madeElf(t, names, elfPart{elf.SHT_DYNAMIC, 0, []any{elf.Dyn64{Tag: int64(tag)}}})
		})
	}
	takenUpTo(t, "name_bytes", func(count int) (*elfLibrary, error) {
		names := []byte(strings.Repeat("n", count) + "\x00")
		rows := []any{elfNeed{Count: 1, File: uint32(count), Nodes: 16}, elfNode{}}
		return madeElf(t, names, elfPart{elf.SHT_GNU_VERNEED, 1, rows})
	})
	takenUpTo(t, "name_bytes", func(count int) (*elfLibrary, error) {
		names := []byte(strings.Repeat("n", count) + "\x00")
		return madeElf(t, names, elfPart{elf.SHT_GNU_VERDEF, 1, []any{elfDefinition{Names: 20}}})
	})
	if _, err := madeElf(t, []byte("n"), elfPart{elf.SHT_DYNAMIC, 0, []any{elf.Dyn64{Tag: int64(elf.DT_NEEDED)}}}); err == nil {
		t.Error("a name without an end is taken")
	}
}

func TestListsOfALibraryHaveALimit(t *testing.T) {
	names := []byte("n\x00")
	takenUpTo(t, "needed", func(count int) (*elfLibrary, error) {
		row := func(bool) any { return elf.Dyn64{Tag: int64(elf.DT_NEEDED)} }
		return madeElf(t, names, elfPart{elf.SHT_DYNAMIC, 0, repeated(count, row)})
	})
	takenUpTo(t, "versions", func(count int) (*elfLibrary, error) {
		row := func(last bool) any { return elfNeed{Next: stepTo(last, 16)} }
		return madeElf(t, names, elfPart{elf.SHT_GNU_VERNEED, uint32(count), repeated(count, row)})
	})
	takenUpTo(t, "versions", func(count int) (*elfLibrary, error) {
		row := func(last bool) any { return elfDefinition{Names: 20, Next: stepTo(last, 28)} }
		return madeElf(t, names, elfPart{elf.SHT_GNU_VERDEF, uint32(count), repeated(count, row)})
	})
	// The nodes of two entries count together, also the weak ones, which are not asked for.
	takenUpTo(t, "versions", func(count int) (*elfLibrary, error) {
		node := func(last bool) any { return elfNode{Flags: versionWeak, Next: stepTo(last, 16)} }
		rows := []any{elfNeed{Count: 2, Nodes: 32, Next: 16}, elfNeed{Count: uint16(count - 2), Nodes: 48}}
		rows = append(append(rows, repeated(2, node)...), repeated(count-2, node)...)
		return madeElf(t, names, elfPart{elf.SHT_GNU_VERNEED, 2, rows})
	})
}

// The names of symbols have no limit, and cost nothing: here each is the end of a very long one.
func TestSymbolsAreComparedWithTheEntryAlone(t *testing.T) {
	const count = 20000
	defined := func(name int) any { return elf.Sym64{Name: uint32(name), Shndx: 1} }
	names := []byte(strings.Repeat("n", 10*count) + "\x00" + apiEntry() + "\x00" + apiEntry() + "2\x00" + apiEntry())
	entry := 10*count + 1
	var symbols []any
	for index := range count {
		symbols = append(symbols, defined(index))
	}
	others := []any{
		elf.Sym64{Name: uint32(entry)}, defined(entry + len(apiEntry()) + 1), defined(len(names) - len(apiEntry())), defined(len(names)),
	}
	for _, exported := range []bool{false, true} {
		rows := append(symbols, others...)
		if exported {
			rows = append(rows, defined(entry))
		}
		library, err := madeElf(t, names, elfPart{elf.SHT_DYNSYM, 0, rows})
		must(t, err)
		if library.entry != exported {
			t.Errorf("expected %t", exported)
		}
	}
}
