package predictor

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
)

// A process has one library for ever, so each test that needs its own asks a child: this program again, which
// opens bundles as the variable says and prints how that ended.
const childVariable = "BUNDLE_TEST_CHILD"

// attempt is one opening in the child.
type openAttempt struct {
	Bundle  string
	Options Options
	// Map maps a file before, as a host program that loaded it would have.
	Map string
	// Host initializes the module before, as a host program that uses it would have.
	Host string
}

func TestMain(m *testing.M) {
	if plan, is := os.LookupEnv(childVariable); is {
		os.Exit(openAll(plan))
	}
	os.Exit(m.Run())
}

func openAll(plan string) int {
	var attempts []openAttempt
	if json.Unmarshal([]byte(plan), &attempts) != nil {
		return 3
	}
	for _, one := range attempts {
		if one.Map != "" {
			file, err := os.Open(one.Map)
			if err != nil {
				return 4
			}
			if _, err := syscall.Mmap(int(file.Fd()), 0, 4096, syscall.PROT_READ, syscall.MAP_PRIVATE); err != nil {
				return 5
			}
		}
		if one.Host != "" {
			ort.SetSharedLibraryPath(one.Host)
			if ort.InitializeEnvironment() != nil {
				return 6
			}
		}
		p, err := Open(one.Bundle, one.Options)
		word := "ok"
		if refusal := asError(err); refusal != nil {
			word = refusal.Code + " " + refusal.Subject
		}
		if p != nil {
			_ = p.Close()
		}
		_, _ = os.Stdout.WriteString(word + "\n")
	}
	return 0
}

// child opens bundles in another process; environment entries are NAME=VALUE.
func child(t *testing.T, environment []string, attempts ...openAttempt) []string {
	t.Helper()
	plan, err := json.Marshal(attempts)
	must(t, err)
	command := exec.Command(os.Args[0])
	command.Env = append(append(os.Environ(), childVariable+"="+string(plan)), environment...)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("the child ended with %v: %s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func equalLines(t *testing.T, got []string, wanted ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(wanted, "|") {
		t.Errorf("expected %q, found %q", wanted, got)
	}
}

func realLibrary(t *testing.T) string {
	t.Helper()
	path := os.Getenv(libraryVariable)
	if path == "" {
		t.Fatalf("%s does not say where ONNX Runtime is", libraryVariable)
	}
	return path
}

// compile makes a shared library of C source.
func compile(t *testing.T, source string) string {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "made.so")
	must(t, os.WriteFile(filepath.Join(folder, "made.c"), []byte(source), 0o644))
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", path, filepath.Join(folder, "made.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// oldRuntime has the entry of ONNX Runtime and no API that is new enough; it writes down whether telemetry was
// off when it was loaded.
const oldRuntime = `
#include <stdio.h>
#include <stdlib.h>
struct base { const void *(*api)(unsigned); const char *(*version)(void); };
static const void *api(unsigned wanted) { (void)wanted; return NULL; }
static const char *version(void) { return "1.22.0"; }
static struct base both = {api, version};
const struct base *OrtGetApiBase(void) { return &both; }
__attribute__((constructor)) static void loaded(void) {
  const char *record = getenv("RECORD"), *off = getenv("ORT_DISABLE_TELEMETRY");
  FILE *file = record ? fopen(record, "w") : NULL;
  if (file) { fputs(off ? off : "unset", file); fclose(file); }
}
`

func TestAnOldLibraryIsRefusedAndTelemetryIsOffBeforeItLoads(t *testing.T) {
	folder, record := sums().bundle(t), filepath.Join(t.TempDir(), "record")
	old := openAttempt{Bundle: folder, Options: Options{"library": compile(t, oldRuntime)}}
	t.Setenv(telemetrySwitch, "0")
	// The right library still works after the wrong one.
	equalLines(t, child(t, []string{"RECORD=" + record}, old, old, openAttempt{Bundle: folder}), "library_too_old .", "library_too_old .", "ok")
	said, err := os.ReadFile(record)
	must(t, err)
	if string(said) != "1" {
		t.Errorf("the switch was %q when the library was loaded", said)
	}
}

func TestFilesThatAreNoLibrary(t *testing.T) {
	folder, work := sums().bundle(t), t.TempDir()
	whole, err := os.ReadFile(realLibrary(t))
	must(t, err)
	write := func(name string, content []byte) string {
		must(t, os.WriteFile(filepath.Join(work, name), content, 0o644))
		return filepath.Join(work, name)
	}
	foreign := bytes.Clone(whole[:4096])
	binary.LittleEndian.PutUint16(foreign[18:], 0xf3)
	cases := [][2]string{
		{filepath.Join(work, "none.so"), "library_not_found ."}, {work, "library_malformed ."}, {write("empty", nil), "library_malformed ."},
		{write("text", []byte("no library")), "library_malformed ."}, {write("head", whole[:64]), "library_malformed ."},
		{write("half", whole[:len(whole)/2]), "library_malformed ."}, {write("short", whole[:len(whole)-1]), "library_malformed ."},
		{write("foreign", foreign), "library_architecture ."}, {compile(t, "int nothing;"), "library_malformed ."},
	}
	var attempts []openAttempt
	var wanted []string
	for _, one := range cases {
		attempts = append(attempts, openAttempt{Bundle: folder, Options: Options{"library": one[0]}})
		wanted = append(wanted, one[1])
	}
	equalLines(t, child(t, nil, append(attempts, openAttempt{Bundle: folder})...), append(wanted, "ok")...)
	equalLines(t, child(t, []string{libraryVariable + "=" + work + "/none.so"}, openAttempt{Bundle: folder}), "library_not_found .")
	equalLines(t, child(t, []string{libraryVariable + "="}, openAttempt{Bundle: folder}), "library_not_found .")
}

func TestElfHeadersOfAnyContentAreRefused(t *testing.T) {
	whole, err := os.ReadFile(realLibrary(t))
	must(t, err)
	path := filepath.Join(t.TempDir(), "library")
	// Every byte of the ELF header and of the first segments, in a file that is cut off behind them.
	for at := range 400 {
		changed := bytes.Clone(whole[:8192])
		changed[at] ^= 0xff
		must(t, os.WriteFile(path, changed, 0o644))
		if _, err := checkLibraryFile(path); err == nil {
			t.Errorf("byte %d changed and nothing found", at)
		}
	}
}

// The prepared cases are given as option in one process that loads none of them, and the right one afterwards.
func TestThePreparedLibrariesAreRefused(t *testing.T) {
	cases := filepath.Join(root(), "spec", "cases")
	data, err := os.ReadFile(filepath.Join(cases, "library", "cases.json"))
	must(t, err)
	var rows []struct {
		Name, Bundle, Library string
		Error                 struct{ Code, Subject string }
	}
	must(t, json.Unmarshal(data, &rows))
	var attempts []openAttempt
	var wanted []string
	for _, row := range rows {
		path := filepath.Join(cases, "library", hostArch(), row.Library)
		attempts = append(attempts, openAttempt{Bundle: filepath.Join(cases, row.Bundle), Options: Options{"library": path}})
		wanted = append(wanted, row.Error.Code+" "+row.Error.Subject)
	}
	attempts = append(attempts, openAttempt{Bundle: sums().bundle(t)})
	got := child(t, nil, attempts...)
	for index, row := range rows {
		if index >= len(got) || got[index] != wanted[index] {
			t.Errorf("%s: expected %s, found %q", row.Name, wanted[index], got[min(index, len(got)-1)])
		}
	}
	if len(rows) == 0 || got[len(got)-1] != "ok" {
		t.Errorf("%d cases, and the right library gave %s", len(rows), got[len(got)-1])
	}
}

func TestALibraryWithoutTheAPIThatIsAskedFor(t *testing.T) {
	// It states no version in its file, so it is asked once it is loaded.
	young := strings.Replace(oldRuntime, `"1.22.0"`, `"1.99.0"`, 1)
	other := strings.Replace(oldRuntime, `"1.22.0"`, `"2.0.0"`, 1)
	for _, source := range []string{young, other} {
		wrong := openAttempt{Bundle: sums().bundle(t), Options: Options{"library": compile(t, source)}}
		equalLines(t, child(t, nil, wrong, openAttempt{Bundle: wrong.Bundle}), "library_api .", "ok")
	}
}

func TestOneLibraryPerProcess(t *testing.T) {
	folder, first := sums().bundle(t), realLibrary(t)
	content, err := os.ReadFile(first)
	must(t, err)
	same, other := filepath.Join(t.TempDir(), "same.so"), filepath.Join(t.TempDir(), "other.so")
	must(t, os.WriteFile(same, content, 0o644))
	must(t, os.WriteFile(other, append(content, 0), 0o644))
	with := func(path string) openAttempt { return openAttempt{Bundle: folder, Options: Options{"library": path}} }
	equalLines(t, child(t, nil, with(first), with(same), with(other), openAttempt{Bundle: folder}), "ok", "ok", "library_conflict .", "ok")
}

func TestALibraryThatWasLoadedBefore(t *testing.T) {
	folder := sums().bundle(t)
	other := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	must(t, os.WriteFile(other, make([]byte, 4096), 0o644))
	off, on := []string{telemetrySwitch + "=1"}, []string{telemetrySwitch + "=0"}
	mapped := openAttempt{Bundle: folder, Map: realLibrary(t)}
	allowed := openAttempt{Bundle: folder, Options: Options{"allow_telemetry": true}}
	equalLines(t, child(t, on, mapped, allowed, openAttempt{Bundle: folder}), "telemetry_active .", "ok", "telemetry_active .")
	equalLines(t, child(t, off, mapped), "ok")
	equalLines(t, child(t, off, openAttempt{Bundle: folder, Map: other}), "library_conflict .")
	// The system's loader does not know the mapped file, and would bring a second library.
	system := t.TempDir()
	must(t, os.Symlink(realLibrary(t), filepath.Join(system, systemNames[0])))
	nameless := append(off, libraryVariable+"=", "LD_LIBRARY_PATH="+system)
	equalLines(t, child(t, nameless, openAttempt{Bundle: folder, Map: other}), "library_conflict .")
	equalLines(t, child(t, nameless, mapped), "ok")
}

func TestAHostThatUsesTheModuleAlready(t *testing.T) {
	folder, first := sums().bundle(t), realLibrary(t)
	content, err := os.ReadFile(first)
	must(t, err)
	other := filepath.Join(t.TempDir(), "other.so")
	must(t, os.WriteFile(other, append(content, 0), 0o644))
	conflict := openAttempt{Bundle: folder, Options: Options{"library": other}}
	nameless := []string{telemetrySwitch + "=1", libraryVariable + "="}
	equalLines(t, child(t, nameless, openAttempt{Bundle: folder, Host: first}, conflict), "ok", "library_conflict .")
	equalLines(t, child(t, []string{telemetrySwitch + "=0"}, openAttempt{Bundle: folder, Host: first}), "telemetry_active .")
}

func TestTheLibraryOfTheSystemAndOfTheBundle(t *testing.T) {
	content, err := os.ReadFile(realLibrary(t))
	must(t, err)
	system := t.TempDir()
	must(t, os.Symlink(realLibrary(t), filepath.Join(system, systemNames[0])))
	nameless := libraryVariable + "="
	plain, made := sums().bundle(t), sums()
	equalLines(t, child(t, []string{nameless, "LD_LIBRARY_PATH=" + system}, openAttempt{Bundle: plain}), "ok")
	made.library = content
	own := made.bundle(t)
	trusted := openAttempt{Bundle: own, Options: Options{"trust_bundle_library": true}}
	equalLines(t, child(t, []string{nameless}, openAttempt{Bundle: own}, trusted), "library_not_found .", "ok")
	// Quick mode reads no file but this one, which is code.
	must(t, os.WriteFile(filepath.Join(own, bundledLibrary), append(content[:len(content)-1], content[len(content)-1]^1), 0o644))
	trusted.Options["mode"] = "quick"
	equalLines(t, child(t, []string{nameless}, trusted), "file_digest_mismatch "+bundledLibrary)
}
