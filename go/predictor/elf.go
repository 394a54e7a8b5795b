package predictor

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

const apiSymbol = "OrtGetApiBase"

// checkLibraryFile proves that a file is a whole shared library for this processor that exports ONNX
// Runtime's entry, before the system's loader maps it: a truncated one ends the process with SIGBUS there.
func checkLibraryFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return refuseFor(err, "library_not_found", ".", "a library at "+quoted(path))
	}
	if !info.Mode().IsRegular() {
		return malformedLibrary(path, kindOf(info.Mode()))
	}
	file, err := os.Open(path)
	if err != nil {
		return refuseFor(err, "library_not_found", ".", "a library that can be read at "+quoted(path))
	}
	defer func() { _ = file.Close() }()
	header, err := readHeader(file)
	if err != nil {
		return malformedLibrary(path, sentence(err))
	}
	if machine := elf.Machine(header.Machine); machine != hostMachine() {
		return refuse("library_architecture", ".", "a library for "+hostMachine().String()+" at "+quoted(path), machine.String())
	}
	if err := checkExtents(file, header, uint64(info.Size())); err != nil {
		return malformedLibrary(path, sentence(err))
	}
	return nil
}

func malformedLibrary(path, found string) error {
	return refuse("library_malformed", ".", "a whole ONNX Runtime library at "+quoted(path), found)
}

func hostMachine() elf.Machine {
	row := digObject(table("targets.json"), "targets", hostArch())
	code, _ := row["elf_machine"].(float64)
	return elf.Machine(code)
}

// hostArch returns the host's architecture under the name that targets.json has for it.
func hostArch() string {
	for name, row := range digObject(table("targets.json"), "targets") {
		for _, alias := range append(digTexts(row, "aliases"), name) {
			if alias == runtime.GOARCH {
				return name
			}
		}
	}
	return runtime.GOARCH
}

func readHeader(file io.ReaderAt) (*elf.Header64, error) {
	header := &elf.Header64{}
	raw := make([]byte, binary.Size(header))
	if _, err := file.ReadAt(raw, 0); err != nil {
		return nil, errors.New("a file shorter than an ELF header")
	}
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, header); err != nil {
		return nil, err
	}
	if string(header.Ident[:len(elf.ELFMAG)]) != elf.ELFMAG || elf.Class(header.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 ||
		elf.Data(header.Ident[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil, errors.New("a file that is no 64-bit little-endian ELF")
	}
	return header, nil
}

// checkExtents proves that what the loader maps lies inside the file, and that the entry is exported.
func checkExtents(file io.ReaderAt, header *elf.Header64, size uint64) (err error) {
	// The parser is made for files of any content; should it panic all the same, the file is at fault.
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("a file that cannot be parsed: %v", fault)
		}
	}()
	table := uint64(header.Shnum) * uint64(header.Shentsize)
	if elf.Type(header.Type) != elf.ET_DYN || header.Shoff > size || table > size-header.Shoff {
		return errors.New("no shared library, or one whose section table runs past the end of the file")
	}
	library, err := elf.NewFile(file)
	if err != nil {
		return err
	}
	loaded := 0
	for _, segment := range library.Progs {
		if segment.Type != elf.PT_LOAD {
			continue
		}
		loaded++
		if segment.Off > size || segment.Filesz > size-segment.Off {
			return errors.New("a segment that runs past the end of the file")
		}
	}
	symbols, err := library.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, symbol := range symbols {
		if symbol.Name == apiSymbol && symbol.Section != elf.SHN_UNDEF && loaded > 0 {
			return nil
		}
	}
	return errors.New("a library that does not export " + apiSymbol)
}
