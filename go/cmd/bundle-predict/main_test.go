package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func program(t *testing.T, in string, arguments ...string) (code int, out string) {
	t.Helper()
	var replies, messages bytes.Buffer
	code = run(arguments, strings.NewReader(in), &replies, &messages)
	return code, replies.String()
}

func caseBundle(t *testing.T, name string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../../../spec/cases/valid", name, "bundle")
}

func TestLinesThatAreNoRequestAreRefused(t *testing.T) {
	lines := map[string]string{
		"[]": `"."`, "{": `"."`, `{}`: `"."`, `{"op":7}`: `"."`, `{"op":"fly"}`: `"fly"`, `{"op":"open"}`: `"open"`,
		`{"op":"open","handle":"h"}`: `"open"`, `{"op":"open","handle":"h","bundle":"b","options":[]}`: `"open"`,
		`{"op":"predict","handle":"h"}`: `"h"`, `{"op":"close","handle":"h"}`: `"h"`, `{"op":"parse","manifest":"0"}`: `"parse"`,
		`{"op":"predict","handle":null}`: `"predict"`,
	}
	for line, subject := range lines {
		code, out := program(t, line+"\n")
		if code != 0 || !strings.Contains(out, `"code":"usage_invalid"`) || !strings.Contains(out, `"subject":`+subject) {
			t.Errorf("%s: exit %d, %s", line, code, out)
		}
	}
}

func TestTheIdComesBackUnchanged(t *testing.T) {
	_, out := program(t, `{"op":"fly","id":{"a":[1.50,null]}}`)
	if !strings.Contains(out, `"id":{"a":[1.50,null]}`) {
		t.Error(out)
	}
}

func TestAPersonPredictsAndTests(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.json")
	must(t, os.WriteFile(file, []byte(`{"x": [[1, 2, 3]]}`), 0o644))
	code, out := program(t, "", caseBundle(t, "scale_rows"), "--input", file, "--options", `{"format":"onnx"}`)
	if code != 0 || out != `{"ok":true,"outputs":{"y":[[3,5,7]]}}`+"\n" {
		t.Errorf("exit %d, %s", code, out)
	}
	code, out = program(t, "", "--self-test", caseBundle(t, "self_test_passes"))
	if code != 0 || !strings.Contains(out, `"passed":true`) {
		t.Errorf("exit %d, %s", code, out)
	}
	for _, arguments := range [][]string{
		{"--self-test", file}, {"--self-test", caseBundle(t, "scale_rows"), "--options", "[]"}, {file, "--input", file}, {"--fly"},
	} {
		if code, out := program(t, "", arguments...); code == 0 {
			t.Errorf("%v: exit 0, %s", arguments, out)
		}
	}
}

func TestHalvesKeepTheirBits(t *testing.T) {
	for bits := range 1 << 16 {
		half := uint16(bits)
		memory, err := appendCell(nil, halfCell(half), "float16")
		must(t, err)
		if back := uint16(memory[0]) | uint16(memory[1])<<8; back != half && half&0x7fff <= 0x7c00 {
			t.Fatalf("%04x came back as %04x", half, back)
		}
	}
	if halfBits(65519.9) != 0x7bff || halfBits(65520) != 0x7c00 || halfBits(math.Ldexp(1, -25)) != 0 || halfBits(math.Ldexp(3, -26)) != 1 {
		t.Error("halves are rounded wrongly")
	}
}
