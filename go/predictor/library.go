package predictor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

const (
	telemetrySwitch = "ORT_DISABLE_TELEMETRY"
	libraryVariable = "ORT_DYLIB_PATH"
)

// systemNames are what the system's loader is asked for when no place was named.
var systemNames = []string{"libonnxruntime.so.1", "libonnxruntime.so"}

// library is the one ONNX Runtime of this process. The module that calls it keeps global state without
// locks, so it is initialized once, under this mutex, and never destroyed.
var library struct {
	sync.Mutex
	loaded bool
	// telemetry tells that it was loaded by someone else without the switch.
	telemetry bool
	// digest is that of its file; empty where the file is not known.
	digest string
	// proven are files that were checked and hashed, by path: both cost more than opening a small bundle.
	proven map[string]provenFile
}

type provenFile struct {
	info   os.FileInfo
	digest string
}

// loadLibrary makes check P3 up to its version: it finds the library, proves it sound and loads it, or
// finds that the one that is loaded is the same. It returns the version.
func loadLibrary(c *choices, bundle *Bundle) (string, error) {
	library.Lock()
	defer library.Unlock()
	path, err := namedLibrary(c, bundle)
	if err != nil {
		return "", err
	}
	digest := ""
	if path != "" {
		if digest, err = proveLibrary(path); err != nil {
			return "", err
		}
	}
	if !library.loaded {
		adoptLibrary()
	}
	if library.telemetry && !c.allowTelemetry {
		expected := "an ONNX Runtime that was loaded with telemetry off"
		return "", refuse("telemetry_active", ".", expected, "one that was loaded without "+telemetrySwitch+"=1")
	}
	if library.loaded {
		return ort.GetVersion(), sameLibrary(digest)
	}
	return startLibrary(path, digest)
}

// proveLibrary checks a file, unless it is the very one that was checked before, and returns its digest.
func proveLibrary(path string) (string, error) {
	info, err := os.Stat(path)
	before, known := library.proven[path]
	if err == nil && known && os.SameFile(info, before.info) && info.Size() == before.info.Size() &&
		info.ModTime().Equal(before.info.ModTime()) {
		return before.digest, nil
	}
	if err := checkLibraryFile(path); err != nil {
		return "", err
	}
	digest, _, err := digestFile(path, ".", nil)
	if err != nil {
		return "", refuseFor(err, "library_not_found", ".", "a library that can be read at "+quoted(path))
	}
	if library.proven == nil {
		library.proven = map[string]provenFile{}
	}
	library.proven[path] = provenFile{info, digest}
	return digest, nil
}

func sameLibrary(digest string) error {
	if digest == "" || digest == library.digest {
		return nil
	}
	return refuse("library_conflict", ".", "the library that this process has loaded, "+library.digest, digest)
}

// namedLibrary returns the file that the caller, the environment or the bundle names; "" where none does.
func namedLibrary(c *choices, bundle *Bundle) (string, error) {
	path := c.library
	if path == "" {
		path = os.Getenv(libraryVariable)
	}
	inside := digText(bundle.Manifest.Tree, "runtime", "library")
	fromBundle := path == "" && inside != "" && c.trustLibrary
	if fromBundle {
		path = bundle.file(inside)
		digest, _, err := digestFile(path, inside, nil)
		if err != nil {
			return "", err
		}
		if sealed := bundle.Manifest.file(inside).sha256; digest != sealed {
			return "", refuse("file_digest_mismatch", inside, sealed, digest)
		}
	}
	if path == "" {
		return "", nil
	}
	// The loader would search other folders for a path without a slash.
	absolute, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(absolute)
	}
	if err != nil {
		return "", refuseFor(err, "library_not_found", ".", "a library at "+quoted(absolute))
	}
	return path, nil
}

// adoptLibrary takes note of an ONNX Runtime that this process held before its first predictor.
func adoptLibrary() {
	off := os.Getenv(telemetrySwitch) == "1"
	mapped := mappedLibraries()
	library.telemetry = library.telemetry || len(mapped) > 0 && !off
	if ort.IsInitialized() {
		library.loaded = true
		library.digest = mappedDigest(mapped)
	}
}

// startLibrary initializes ONNX Runtime from a file, or from where the system's loader finds it.
func startLibrary(path, digest string) (string, error) {
	// The library reads the switch once, while it loads.
	if err := os.Setenv(telemetrySwitch, "1"); err != nil {
		return "", refuseFor(err, "telemetry_active", ".", "an environment that can be set")
	}
	before := mappedLibraries()
	if path != "" && len(before) > 0 {
		if other := mappedDigest(before); other != digest {
			return "", refuse("library_conflict", ".", "the library that this process has loaded, "+quoted(before...), quoted(path))
		}
	}
	var failures []string
	for _, name := range candidates(path) {
		ort.SetSharedLibraryPath(name)
		err := ort.InitializeEnvironment(ort.WithLogLevelFatal())
		if err == nil {
			library.loaded = true
			library.digest = digest
			if digest == "" {
				library.digest = mappedDigest(mappedLibraries())
			}
			return ort.GetVersion(), nil
		}
		if refusal := initFault(name, err); refusal != nil {
			return "", refusal
		}
		failures = append(failures, fmt.Sprintf("%s: %s", name, sentence(err)))
	}
	if path != "" {
		return "", malformedLibrary(path, strings.Join(failures, "; "))
	}
	expected := "a library by the option `library`, by " + libraryVariable + " or from the system's loader"
	return "", refuse("library_not_found", ".", expected, "none: "+strings.Join(failures, "; "))
}

func candidates(path string) []string {
	if path != "" {
		return []string{path}
	}
	return systemNames
}

// initFault returns the refusal for a library that was found and cannot be used; nil where it was not found.
// The module gives no codes, only text. Its GetVersion must not be called now: it would read memory of the
// library that was unloaded again.
func initFault(name string, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "Error loading ONNX shared library"):
		return nil
	case strings.Contains(text, "Error setting ORT API base: 2"):
		return refuseFor(err, "library_too_old", ".", "an ONNX Runtime of at least "+minimumRuntime()+" at "+quoted(name))
	}
	return malformedLibrary(name, sentence(err))
}

func minimumRuntime() string {
	return digText(table("session.json"), "minimum_runtime")
}

// checkLibraryVersion is the end of check P3.
func checkLibraryVersion(version string, manifest *Manifest, variant *Variant) error {
	needed := []string{minimumRuntime(), digText(manifest.Tree, "runtime", "minimum"), variant.minimumRuntime}
	newest := slices.MaxFunc(needed, compareVersions)
	if compareVersions(version, newest) < 0 {
		return refuse("library_too_old", ".", "ONNX Runtime "+newest+" or newer", version)
	}
	return nil
}

// mappedLibraries returns the files of ONNX Runtime that are mapped into this process.
func mappedLibraries() []string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil
	}
	var paths []string
	for line := range strings.Lines(string(maps)) {
		at := strings.IndexByte(line, '/')
		if at < 0 {
			continue
		}
		path := strings.TrimSuffix(line[at:], "\n")
		if strings.HasPrefix(filepath.Base(path), "libonnxruntime.so") && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

func mappedDigest(paths []string) string {
	if len(paths) != 1 {
		return ""
	}
	digest, _, err := digestFile(paths[0], ".", nil)
	if err != nil {
		return ""
	}
	return digest
}

// LibraryVersion returns the version of the ONNX Runtime that this process uses; it loads the one that the
// environment or the system's loader gives where no predictor was opened before. The error is an *Error of
// stage library.
func LibraryVersion() (string, error) {
	return loadLibrary(&choices{allowTelemetry: true}, &Bundle{Manifest: &Manifest{}})
}
