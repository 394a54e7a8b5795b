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

// provenFile is a file that passed the checks L1 to L8; version is what it states, or "".
type provenFile struct {
	info            os.FileInfo
	digest, version string
}

// loadLibrary is check P3: it finds the library, makes the checks L1 to L10 and loads it, or finds that the one
// that is loaded is the same. It returns the version.
func loadLibrary(c *choices, bundle *Bundle, needs libraryNeeds) (string, error) {
	library.Lock()
	defer library.Unlock()
	path, err := namedLibrary(c, bundle)
	if err != nil {
		return "", err
	}
	proven := provenFile{}
	if path != "" {
		if proven, err = proveLibrary(path); err != nil {
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
	if !library.loaded {
		return startLibrary(path, proven, needs)
	}
	if err := sameLibrary(proven.digest); err != nil {
		return "", err
	}
	return ort.GetVersion(), needs.judge(ort.GetVersion())
}

// proveLibrary checks a file, unless it is the very one that was checked before.
func proveLibrary(path string) (provenFile, error) {
	info, err := os.Stat(path)
	before, known := library.proven[path]
	if err == nil && known && os.SameFile(info, before.info) && info.Size() == before.info.Size() &&
		info.ModTime().Equal(before.info.ModTime()) {
		return before, nil
	}
	version, err := checkLibraryFile(path)
	if err != nil {
		return provenFile{}, err
	}
	digest, _, err := digestFile(path, ".", nil)
	if err != nil {
		return provenFile{}, refuseFor(err, "library_not_found", ".", "a library that can be read at "+quoted(path))
	}
	if library.proven == nil {
		library.proven = map[string]provenFile{}
	}
	library.proven[path] = provenFile{info, digest, version}
	return library.proven[path], nil
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
	resolved, err := resolveLinks(path)
	if err != nil {
		return "", refuseFor(err, "library_not_found", ".", "a library at "+quoted(path))
	}
	return resolved, nil
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

// startLibrary loads ONNX Runtime from a file, or from where the system's loader finds it, and initializes it.
func startLibrary(path string, proven provenFile, needs libraryNeeds) (string, error) {
	// The library reads the switch once, while it loads.
	if err := os.Setenv(telemetrySwitch, "1"); err != nil {
		return "", refuseFor(err, "telemetry_active", ".", "an environment that can be set")
	}
	before := mappedLibraries()
	if path != "" {
		if err := sameAsMapped(before, path, proven.digest); err != nil {
			return "", err
		}
	}
	if proven.version != "" {
		if err := needs.judge(proven.version); err != nil {
			return "", err
		}
	}
	var failures []string
	for _, name := range candidates(path) {
		runtime, fault := openRuntime(name)
		if runtime != nil {
			defer runtime.close()
			if path == "" {
				// Which file the system's loader takes is not known before.
				file := runtime.file()
				proven.digest = mappedDigest([]string{file})
				if err := sameAsMapped(before, file, proven.digest); err != nil {
					return "", err
				}
			}
			return initializeLibrary(name, runtime, proven.digest, needs)
		}
		failures = append(failures, fmt.Sprintf("%s: %s", name, fault))
	}
	if path != "" {
		return "", malformedLibrary(path, strings.Join(failures, "; "))
	}
	expected := "a library by the option `library`, by " + libraryVariable + " or from the system's loader"
	return "", refuse("library_not_found", ".", expected, "none: "+strings.Join(failures, "; "))
}

// sameAsMapped refuses a file beside another ONNX Runtime that was mapped before.
func sameAsMapped(before []string, path, digest string) error {
	if len(before) == 0 || digest != "" && digest == mappedDigest(before) {
		return nil
	}
	return refuse("library_conflict", ".", "the library that this process has loaded, "+quoted(before...), quoted(path))
}

func candidates(path string) []string {
	if path != "" {
		return []string{path}
	}
	return systemNames
}

// initializeLibrary makes the checks L9 and L10 of a library that is loaded, and lets the module use it; it then
// stays loaded, also where only this bundle needs more.
func initializeLibrary(name string, runtime *openedRuntime, digest string, needs libraryNeeds) (string, error) {
	if runtime.base == nil {
		return "", malformedLibrary(name, "a library that gives no API at all")
	}
	refusal := needs.judge(runtime.version)
	if !runtime.offers(readerAPI()) {
		if refusal == nil {
			refusal = needs.lacking(runtime.version)
		}
		return "", refusal
	}
	if refusal == nil && !runtime.offers(needs.api) {
		refusal = needs.lacking(runtime.version)
	}
	ort.SetSharedLibraryPath(name)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return "", malformedLibrary(name, sentence(err))
	}
	library.loaded = true
	library.digest = digest
	return runtime.version, refusal
}

// libraryNeeds is what the reader and a bundle ask of a library's age.
type libraryNeeds struct {
	oldest string
	api    int64
}

// needsOf returns what a variant of a bundle asks for; of an empty manifest, what the reader does.
func needsOf(manifest *Manifest, variant *Variant) libraryNeeds {
	versions := []string{
		digText(table("session.json"), "minimum_runtime"), digText(manifest.Tree, "runtime", "minimum"), variant.minimumRuntime,
	}
	return libraryNeeds{
		oldest: slices.MaxFunc(versions, compareVersions),
		api:    max(readerAPI(), number(manifest.Tree, "runtime", "api_minimum")),
	}
}

// readerAPI returns the number of the C API that the module is made for.
func readerAPI() int64 {
	api, _ := dig(table("library.json"), "readers", "go").(float64)
	return int64(api)
}

// judge makes the checks L9 and L10 of a version. One of 1.M offers the APIs 1 to M; of others it is not known.
func (n libraryNeeds) judge(version string) error {
	if compareVersions(version, n.oldest) < 0 {
		return refuse("library_too_old", ".", "ONNX Runtime "+n.oldest+" or newer", version)
	}
	if numbers := versionNumbers(version); numbers[0] == 1 && int64(numbers[1]) < n.api {
		return n.lacking(version)
	}
	return nil
}

func (n libraryNeeds) lacking(version string) error {
	return refuse("library_api", ".", fmt.Sprintf("an ONNX Runtime with C API %d", n.api), version+", which does not offer it")
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
	nothing := &Manifest{}
	return loadLibrary(&choices{allowTelemetry: true}, &Bundle{Manifest: nothing}, needsOf(nothing, &Variant{}))
}
