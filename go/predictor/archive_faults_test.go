package predictor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	modelPath   = "models/source.onnx"
	goldenFirst = "golden/first.safetensors"
	goldenLast  = "golden/second.safetensors"
)

// tarEntry is a header and the content behind it, with the padding.
func tarEntry(t testing.TB, path string, content []byte) []byte {
	t.Helper()
	head, fits := tarHeader(path, int64(len(content)))
	if !fits {
		t.Fatalf("no room for %s", path)
	}
	return bytes.Join([][]byte{head, content, make([]byte, tarPadding(int64(len(content))))}, nil)
}

// archiveOf returns the archive of a bundle's folder, with statements that have their path as content.
func archiveOf(t testing.TB, folder string, more ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, manifestName))
	must(t, err)
	manifest, err := ParseManifest(data)
	must(t, err)
	whole := tarEntry(t, manifestName, data)
	for _, file := range manifest.files {
		content, err := os.ReadFile(filepath.Join(folder, file.path))
		must(t, err)
		whole = append(whole, tarEntry(t, file.path, content)...)
	}
	for _, path := range more {
		whole = append(whole, tarEntry(t, path, []byte(path))...)
	}
	return append(whole, make([]byte, 2*tarBlock)...)
}

func vectorBundle() string {
	return filepath.Join(root(), "spec", "cases", "valid", "self_test_passes", "bundle")
}

// opened reads an archive of these bytes.
func opened(t testing.TB, data []byte, digest string, longest int64) (*archive, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.bundle")
	must(t, os.WriteFile(path, data, 0o644))
	a, err := openArchive(path, digest, longest)
	if err == nil {
		t.Cleanup(a.close)
	}
	return a, err
}

// change is a fault: it returns other bytes; at finds the header of a path.
type change func(data []byte, at func(path string) int) []byte

// planted makes the change in a copy.
func planted(t testing.TB, data []byte, fault change) []byte {
	t.Helper()
	return fault(bytes.Clone(data), func(path string) int {
		t.Helper()
		found := bytes.Index(data, append([]byte(path), 0))
		if found < 0 || found%tarBlock != 0 {
			t.Fatalf("no entry %s", path)
		}
		return found
	})
}

// field changes bytes of the model's header, and lets its checksum fit.
func field(at int, value string) change {
	return func(data []byte, header func(string) int) []byte {
		head := data[header(modelPath):][:tarBlock]
		copy(head[at:], value)
		copy(tarChecksum.of(head), tarSum(head))
		return data
	}
}

// raw changes bytes at a distance from an entry's header, and nothing else.
func raw(path string, at int, value string) change {
	return func(data []byte, header func(string) int) []byte {
		copy(data[header(path)+at:], value)
		return data
	}
}

// cutTo leaves some bytes; where it is negative, all but so many.
func cutTo(length int) change {
	return func(data []byte, _ func(string) int) []byte {
		return data[:(length+len(data))%len(data)]
	}
}

// before inserts bytes before an entry; "" is the end.
func before(path string, added ...[]byte) change {
	return func(data []byte, header func(string) int) []byte {
		at := len(data) - 2*tarBlock
		if path != "" {
			at = header(path)
		}
		return bytes.Join([][]byte{data[:at], bytes.Join(added, nil), data[at:]}, nil)
	}
}

func appended(more ...byte) change {
	return func(data []byte, _ func(string) int) []byte { return append(data, more...) }
}

type archiveFault struct {
	fault         change
	code, subject string
}

func archiveFaults(t testing.TB) map[string]archiveFault {
	const malformed, unexpected, truncated = "archive_malformed", "archive_entry_unexpected", "archive_truncated"
	sized := func(path string, size int64) []byte {
		head, _ := tarHeader(path, size)
		return head
	}
	split := sized("source.onnx", 154)
	copy(split[tarPrefixAt:], "models")
	copy(tarChecksum.of(split), tarSum(split))
	entry := func(path string) []byte { return tarEntry(t, path, []byte("x")) }
	faults := map[string]archiveFault{
		"H1 checksum":             {raw(modelPath, tarChecksumAt, "000000"), malformed, modelPath},
		"H1 checksum's spelling":  {raw(modelPath, tarChecksumAt, " "), malformed, modelPath},
		"H2 magic of GNU":         {field(tarMagics.begin, "ustar  \x00"), malformed, modelPath},
		"H4 base 256":             {field(tarSize.begin, "\x80"), malformed, modelPath},
		"H4 a sign":               {field(tarSize.begin, "-"), malformed, modelPath},
		"H4 a blank":              {field(tarSize.begin, " "), malformed, modelPath},
		"H4 twelve digits":        {field(tarSize.end-1, "0"), malformed, modelPath},
		"H5 behind the name":      {field(50, "x"), malformed, modelPath},
		"H5 no ASCII":             {field(9, "\xe9"), malformed, modelPath},
		"H5 split otherwise":      {raw(modelPath, 0, string(split)), malformed, modelPath},
		"H6 traversal":            {field(0, "../../../etc/passwd"), unexpected, modelPath},
		"H6 absolute":             {field(0, "/etc/cron.d/mine\x00\x00"), unexpected, modelPath},
		"H6 unlisted":             {before(modelPath, entry("models/more.onnx")), unexpected, modelPath},
		"H6 twice":                {before(modelPath, entry(goldenFirst)), unexpected, modelPath},
		"A2 too long":             {appended(make([]byte, 1<<16)...), "archive_too_large", "."},
		"A3 empty":                {func([]byte, func(string) int) []byte { return nil }, truncated, manifestName},
		"A3 half a header":        {cutTo(300), truncated, manifestName},
		"A3 zeros":                {raw(manifestName, 0, strings.Repeat("\x00", tarBlock)), "file_missing", manifestName},
		"A3 manifest cut":         {cutTo(tarBlock + 100), truncated, manifestName},
		"A3 padding":              {raw(goldenFirst, -1, "x"), malformed, manifestName},
		"A3 another first":        {before(manifestName, entry(modelPath)), unexpected, manifestName},
		"A4 no JSON":              {raw(manifestName, tarBlock, "["), "manifest_malformed", ""},
		"A5 smaller":              {field(tarSize.begin, "00000000231"), "file_size_mismatch", modelPath},
		"A5 bomb":                 {field(tarSize.begin, "77777777777"), "file_size_mismatch", modelPath},
		"A5 content cut":          {cutTo(-2*tarBlock - 400), truncated, modelPath},
		"A5 padding cut":          {cutTo(-2*tarBlock - 1), truncated, modelPath},
		"A5 padding":              {raw(modelPath, tarBlock+154, "x"), malformed, modelPath},
		"A5 end too early":        {before(goldenLast, make([]byte, tarBlock)), "file_missing", goldenLast},
		"A6 elsewhere":            {before("", entry("evil/a")), unexpected, statements},
		"A6 up":                   {before("", entry("attest/../x")), unexpected, statements},
		"A6 no name":              {before("", entry("attest")), unexpected, statements},
		"A6 hidden":               {before("", entry("attest/.x")), unexpected, statements},
		"A6 deeper":               {before("", entry("attest/a/b")), unexpected, statements},
		"A6 twice":                {before("", entry("attest/a"), entry("attest/a")), unexpected, statements},
		"A6 unsorted":             {before("", entry("attest/b"), entry("attest/a")), unexpected, statements},
		"A6 alike":                {before("", entry("attest/A"), entry("attest/a")), unexpected, statements},
		"A6 cut":                  {before("", sized("attest/a", 5000)), truncated, "attest/a"},
		"A6 padding":              {before("", append(entry("attest/a")[:2*tarBlock-1], 1)), malformed, "attest/a"},
		"A6 no end":               {cutTo(-2 * tarBlock), truncated, statements},
		"A7 one zero block":       {cutTo(-tarBlock), truncated, "."},
		"A7 half a zero block":    {cutTo(-1), truncated, "."},
		"A7 something after one":  {before("", make([]byte, tarBlock), entry("x")), malformed, "."},
		"A7 something behind two": {appended(0), malformed, "."},
	}
	for kind := range tarKinds {
		faults[fmt.Sprintf("H3 type %q", kind)] = archiveFault{field(tarChecksum.end, string(kind)), malformed, modelPath}
	}
	for _, each := range tarFixed {
		faults["H5 "+each.name] = archiveFault{field(each.begin, "0000001"), malformed, modelPath}
	}
	var many [][]byte
	for index := range archiveLimit("max_statements") + 1 {
		many = append(many, entry(fmt.Sprintf("attest/%04d", index)))
	}
	faults["A6 too many"] = archiveFault{before("", many...), "archive_too_large", statements}
	faults["A6 bomb"] = archiveFault{before("", sized("attest/a", archiveLimit("max_statement_bytes")+1)), "archive_too_large", statements}
	faults["A3 too large"] = archiveFault{raw(manifestName, 0, string(sized(manifestName, maxManifest+1))), "manifest_too_large", ""}
	return faults
}
