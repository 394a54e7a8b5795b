package predictor

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	versionBase = 1 // VER_FLG_BASE
	versionWeak = 2 // VER_FLG_WEAK
)

// elfEntry is an entry of a list of versions, and where it stands in its section.
type elfEntry struct {
	raw   []byte
	place uint64
}

func (e elfEntry) short(at int) uint16 { return binary.LittleEndian.Uint16(e.raw[at:]) }
func (e elfEntry) word(at int) uint32  { return binary.LittleEndian.Uint32(e.raw[at:]) }

// elfChain returns the entries of a list in which each says, in its last word, how many bytes further the next
// one stands; most is how many it may have.
func elfChain(data []byte, place uint64, count uint32, size int, most uint64) ([]elfEntry, error) {
	var entries []elfEntry
	for range count {
		if place+uint64(size) > uint64(len(data)) || uint64(len(entries)) >= most {
			return nil, errors.New("a table of versions that is too long, or leads outside of it")
		}
		entry := elfEntry{data[place:][:size], place}
		entries = append(entries, entry)
		next := entry.word(size - 4)
		if next == 0 {
			break
		}
		place += uint64(next)
	}
	return entries, nil
}

// needs reads the versions that it asks of other libraries.
func (s *elfSections) needs(library *elfLibrary) error {
	const size, nodeSize = 16, 16
	data, names, count, err := s.first(elf.SHT_GNU_VERNEED)
	if err != nil {
		return err
	}
	// Lists of lists that lead into one another would take hours: all nodes together are as few as the entries.
	most := libraryLimit("versions")
	needs, err := elfChain(data, 0, count, size, most)
	if err != nil {
		return err
	}
	for _, need := range needs {
		of, err := elfText(names, uint64(need.word(4)))
		if err != nil {
			return err
		}
		nodes, err := elfChain(data, need.place+uint64(need.word(8)), uint32(need.short(2)), nodeSize, most)
		if err != nil {
			return err
		}
		most -= uint64(len(nodes))
		for _, node := range nodes {
			if node.short(4)&versionWeak != 0 {
				continue
			}
			version, err := elfText(names, uint64(node.word(8)))
			if err != nil {
				return err
			}
			library.asked[string(of)] = append(library.asked[string(of)], string(version))
		}
	}
	return nil
}

// defines reads the versions that it defines.
func (s *elfSections) defines(library *elfLibrary) error {
	const size, nodeSize = 20, 8
	data, names, count, err := s.first(elf.SHT_GNU_VERDEF)
	if err != nil {
		return err
	}
	definitions, err := elfChain(data, 0, count, size, libraryLimit("versions"))
	if err != nil {
		return err
	}
	for _, definition := range definitions {
		nodes, err := elfChain(data, definition.place+uint64(definition.word(12)), 1, nodeSize, 1)
		if err != nil {
			return err
		}
		if definition.short(2)&versionBase != 0 {
			continue
		}
		version, err := elfText(names, uint64(nodes[0].word(0)))
		if err != nil {
			return err
		}
		library.defined = append(library.defined, string(version))
	}
	return nil
}

var dottedForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*$`)

// dotted returns the numbers of a version such as "2.28"; nil where the text is none.
func dotted(text string) []uint64 {
	if !dottedForm.MatchString(text) {
		return nil
	}
	var numbers []uint64
	for digits := range strings.SplitSeq(text, ".") {
		number, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			number = math.MaxUint64
		}
		numbers = append(numbers, number)
	}
	return numbers
}

// highest returns the highest version of a family such as "GLIBC_" among names, and its numbers; names that do
// not end in numbers alone are no versions.
func highest(names []string, family string) (text string, numbers []uint64) {
	for _, name := range names {
		rest, is := strings.CutPrefix(name, family)
		if found := dotted(rest); is && found != nil && slices.Compare(found, numbers) > 0 {
			text, numbers = rest, found
		}
	}
	return text, numbers
}
