package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// vector is a case.json; a key that it does not know is a failure.
type vector struct {
	Comment string           `json:"comment"`
	Checks  []string         `json:"checks"`
	Bundle  string           `json:"bundle"`
	Prepare []change         `json:"prepare"`
	Steps   []map[string]any `json:"steps"`
}

type change struct {
	Op     string `json:"op"`
	Path   string `json:"path"`
	Target string `json:"target"`
	Hex    string `json:"hex"`
	Times  int    `json:"times"`
}

func TestVectors(t *testing.T) {
	_, here, _, _ := runtime.Caller(0)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(here), "../../../spec/cases/*/*/case.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no case at all: %v", err)
	}
	for _, file := range files {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(filepath.Dir(folder))+"/"+filepath.Base(folder), func(t *testing.T) { play(t, folder) })
	}
}

func play(t *testing.T, folder string) {
	data, err := os.ReadFile(filepath.Join(folder, "case.json"))
	must(t, err)
	reader := json.NewDecoder(bytes.NewReader(data))
	reader.DisallowUnknownFields()
	reader.UseNumber()
	var one vector
	must(t, reader.Decode(&one))
	bundle := filepath.Join(folder, one.Bundle)
	if one.Prepare != nil {
		copied := filepath.Join(t.TempDir(), "bundle")
		must(t, os.CopyFS(copied, os.DirFS(bundle)))
		bundle = copied
	}
	for _, entry := range one.Prepare {
		must(t, entry.apply(filepath.Join(bundle, entry.Path)))
	}
	d := newDriver()
	defer d.closeAll()
	for number, step := range one.Steps {
		expected := step["expect"]
		delete(step, "expect")
		if path, is := step["bundle"].(string); is {
			step["bundle"] = strings.Replace(path, "$BUNDLE", bundle, 1)
		}
		if _, is := step["manifest"]; is {
			manifest, err := os.ReadFile(filepath.Join(folder, "manifest.json"))
			must(t, err)
			step["manifest"] = hex.EncodeToString(manifest)
		}
		line, err := json.Marshal(step)
		must(t, err)
		if wrong := difference(expected, ask(t, d, line), ""); wrong != "" {
			t.Fatalf("step %d (%v)%s", number, step["op"], wrong)
		}
	}
}

// ask sends one line through the same writer as the program does.
func ask(t *testing.T, d *driver, line []byte) any {
	t.Helper()
	var out bytes.Buffer
	say(&out, d.answer(line))
	var answered any
	must(t, decode(out.Bytes(), &answered))
	return answered
}

func (c change) apply(path string) error {
	switch c.Op {
	case "delete":
		return os.Remove(path)
	case "fifo":
		return syscall.Mkfifo(path, 0o644)
	case "mkdir":
		return os.Mkdir(path, 0o755)
	case "symlink":
		return os.Symlink(c.Target, path)
	case "append", "write":
		return c.write(path)
	}
	return fmt.Errorf("unknown op %s", c.Op)
}

// write writes a new file, or to the end of one.
func (c change) write(path string) error {
	content, err := hex.DecodeString(c.Hex)
	if err != nil {
		return err
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if c.Op == "append" {
		mode = os.O_WRONLY | os.O_APPEND
	}
	file, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(bytes.Repeat(content, max(c.Times, 1)))
	return errors.Join(err, file.Close())
}

// difference returns the first place where a reply is not what is expected; objects may hold more, but `outputs` may not.
func difference(expected, found any, at string) string {
	switch expected := expected.(type) {
	case map[string]any:
		there, is := found.(map[string]any)
		if !is || strings.HasSuffix(at, "/outputs") && len(there) != len(expected) {
			break
		}
		for key, value := range expected {
			if wrong := difference(value, there[key], at+"/"+key); wrong != "" {
				return wrong
			}
		}
		return ""
	case []any:
		there, is := found.([]any)
		if !is || len(there) != len(expected) {
			break
		}
		for index, value := range expected {
			if wrong := difference(value, there[index], fmt.Sprintf("%s/%d", at, index)); wrong != "" {
				return wrong
			}
		}
		return ""
	default:
		if reflect.DeepEqual(expected, found) {
			return ""
		}
	}
	return fmt.Sprintf("%s: expected %v, found %v", at, expected, found)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
