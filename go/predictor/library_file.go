package predictor

import (
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

const (
	glibcFamily = "GLIBC_"
	cxxLibrary  = "libstdc++.so.6"
)

// cxxFamilies are the versions of libstdc++.
var cxxFamilies = []string{"GLIBCXX_", "CXXABI_"}

// checkLibraryFile makes the checks L1 to L8: it proves that a file is a whole ONNX Runtime for this processor
// and this system, before the loader maps it and its code runs. It returns the version that the file states,
// or "".
func checkLibraryFile(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", refuseFor(err, "library_not_found", ".", "a library that can be read at "+quoted(path))
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return "", refuseFor(err, "library_not_found", ".", "a library that can be read at "+quoted(path))
	}
	if !info.Mode().IsRegular() {
		return "", malformedLibrary(path, kindOf(info.Mode()))
	}
	header, err := readElfHeader(file)
	if err != nil {
		return "", libraryFault(path, err)
	}
	if machine := elf.Machine(header.Machine); machine != hostMachine() {
		return "", refuse("library_architecture", ".", "a library for "+hostMachine().String()+" at "+quoted(path), machine.String())
	}
	library, err := readElf(file, uint64(info.Size()), header)
	if err != nil {
		return "", libraryFault(path, err)
	}
	if !library.entry {
		return "", malformedLibrary(path, "a library that does not export "+apiEntry())
	}
	version, _ := highest(library.defined, digText(table("library.json"), "version_node"))
	return version, library.checkSystem(filepath.Dir(path))
}

// libraryFault tells a file that cannot be read from one that is no whole library.
func libraryFault(path string, err error) error {
	if fault := (*fs.PathError)(nil); errors.As(err, &fault) {
		return refuseFor(err, "library_not_found", ".", "a library that can be read at "+quoted(path))
	}
	return malformedLibrary(path, sentence(err))
}

func malformedLibrary(path, found string) error {
	return refuse("library_malformed", ".", "a whole ONNX Runtime library at "+quoted(path), found)
}

func apiEntry() string { return digText(table("library.json"), "entry") }

func hostMachine() elf.Machine {
	row := digObject(table("targets.json"), "targets", hostArch())
	code, _ := row["elf_machine"].(float64)
	return elf.Machine(code)
}

// hostArch returns the host's architecture under the name that targets.json has for it.
func hostArch() string {
	for name, row := range digObject(table("targets.json"), "targets") {
		if slices.Contains(append(digTexts(row, "aliases"), name), runtime.GOARCH) {
			return name
		}
	}
	return runtime.GOARCH
}

// checkSystem makes the checks L6 to L8 of a library that lies in a folder.
func (l *elfLibrary) checkSystem(folder string) error {
	cxxFile := ""
	for _, name := range l.needed {
		file, found := l.find(name, folder)
		if !found {
			return refuse("library_dependency", name, "this library, which ONNX Runtime needs", "none on the system")
		}
		if name == cxxLibrary {
			cxxFile = file
		}
	}
	var versions []string
	for _, of := range l.asked {
		versions = append(versions, of...)
	}
	system := systemGlibc()
	asked, numbers := highest(versions, glibcFamily)
	if system != "" && slices.Compare(numbers, dotted(system)) > 0 {
		return refuse("library_glibc", ".", "glibc "+asked+" or newer", "glibc "+system)
	}
	return l.checkCxx(cxxFile)
}

// find looks for a library that this one needs, as the loader would; the file is "" where it is not known.
func (l *elfLibrary) find(name, folder string) (file string, found bool) {
	if file, found = systemLibrary(name, true); found {
		return file, true
	}
	for _, place := range l.runpath {
		file = filepath.Join(strings.NewReplacer("${ORIGIN}", folder, "$ORIGIN", folder).Replace(place), name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, true
		}
	}
	return systemLibrary(name, false)
}

// checkCxx is check L8; a file that is not known, or cannot be read, refuses nothing.
func (l *elfLibrary) checkCxx(path string) error {
	defined, err := definedVersions(path)
	if err != nil {
		return nil
	}
	for _, family := range cxxFamilies {
		asked, numbers := highest(l.asked[cxxLibrary], family)
		has, newest := highest(defined, family)
		if slices.Compare(numbers, newest) > 0 {
			return refuse("library_libstdcxx", ".", "a libstdc++ with "+family+asked, family+has+" in "+quoted(path))
		}
	}
	return nil
}

// definedVersions returns the versions that a library of the system defines.
func definedVersions(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	header, err := readElfHeader(file)
	if err != nil {
		return nil, err
	}
	library, err := readElf(file, uint64(info.Size()), header)
	if err != nil {
		return nil, err
	}
	return library.defined, nil
}
