package predictor

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTheGrammarComesBeforeTheCanonicalForm(t *testing.T) {
	malformed := []string{
		"", " ", "{", "[1,]", `{"a":1,}`, `{"a" 1}`, "01", "-", "1.", "1e", "+1", ".5", "tru", "nul", "NaN", `"`, `"\x"`, `"\u12"`, `"\u12g4"`,
		"\"\x01\"", "[1]x", "\xef\xbb\xbf1", "\"\xff\"", "{1:2}", "[ 1.0, ]", "// 1", strings.Repeat("[", 17) + strings.Repeat("]", 17), "1\x00",
		"[null,\"\\ud800\",x]", "'a'", "[1 2]", "\"\xed\xa0\x80\"",
	}
	for _, text := range malformed {
		if _, err := parseJSON([]byte(text), true); !errors.Is(err, errMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
	notCanonical := []string{
		" 1", "1\n", "[1, 2]", "1.0", "1e3", "1E+3", "-0", "-0.0", "null", "9007199254740992", "-9007199254740992", strings.Repeat("9", 5000),
		`{"b":1,"a":2}`, `{"a":1,"a":1}`, `{"ä":1}`, `"\/"`, `"\u0041"`, `"\u001F"`, `"\u0008"`, `"\u007f"`, `"\ud800"`, `"\ud83d\ude00"`, `"\ude00\ud83d"`,
	}
	for _, text := range notCanonical {
		if _, err := parseJSON([]byte(text), true); !errors.Is(err, errNotCanonical) {
			t.Errorf("%q: %v", text, err)
		}
	}
	canonical := []string{
		"0", "-1", "9007199254740991", "true", `""`, `"ä/` + "\x7f\u2028\U0001F600" + `\u0000\u001f\b\t\n\f\r\"\\"`, `{"A":[],"a":{}}`,
		strings.Repeat("[", 16) + strings.Repeat("]", 16),
	}
	for _, text := range canonical {
		if _, err := parseJSON([]byte(text), true); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if value, _ := parseJSON([]byte(`"\u0000\b\"\\é"`), true); value != "\x00\b\"\\é" {
		t.Errorf("%q", value)
	}
}

func TestTheVersionIsThatOfTheProject(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root(), "Cargo.toml"))
	must(t, err)
	if found := regexp.MustCompile(`(?m)^version = "(.*)"`).FindSubmatch(data); found == nil || string(found[1]) != Version() {
		t.Errorf("Cargo.toml says %q, this package %s", found, Version())
	}
}

func TestElementsComeBackFromAnyAddress(t *testing.T) {
	given := []int32{1, -2, 3}
	for offset := range 8 {
		got, ok := Values[int32](NewBytes(Int32, place(asBytes(given), offset), 3))
		if !ok || !slices.Equal(got, given) {
			t.Errorf("offset %d: %v", offset, got)
		}
	}
	if _, ok := Values[float32](NewTensor(given, 3)); ok {
		t.Error("an int32 tensor was read as float32")
	}
	if bits, ok := Values[uint16](NewFloat16([]uint16{0x3c00}, 1)); !ok || bits[0] != 0x3c00 {
		t.Errorf("%v", bits)
	}
}

func TestThreadsAreLoweredToTheQuota(t *testing.T) {
	cases := []struct{ groups, file, content string }{
		{"0::/a/b\n", "sys/fs/cgroup/a/cpu.max", "100000 100000\n"},
		{"0::/a/b\n", "sys/fs/cgroup/cpu.max", "150000 100000\n"},
		{"4:cpu,cpuacct:/a\n", "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "100000"},
	}
	for _, one := range cases {
		root := t.TempDir()
		files := map[string]string{"proc/self/cgroup": one.groups, one.file: one.content}
		if period, found := strings.CutSuffix(one.file, "quota_us"); found {
			files[period+"period_us"] = "100000"
		}
		for name, content := range files {
			must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755))
			must(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o644))
		}
		if count := effectiveThreads(8, root); count != 1 {
			t.Errorf("%v: %d threads", one, count)
		}
	}
	if count := effectiveThreads(1, "/none"); count != 1 {
		t.Errorf("%d threads", count)
	}
}
