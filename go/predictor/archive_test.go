package predictor

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAFaultOfAnArchiveIsRefused(t *testing.T) {
	good := archiveOf(t, vectorBundle())
	for name, one := range archiveFaults(t) {
		t.Run(name, func(t *testing.T) {
			longest := int64(len(good)) + 1<<19
			if one.code == "archive_too_large" && one.subject == "." {
				longest = int64(len(good))
			}
			_, err := opened(t, planted(t, good, one.fault), "", longest)
			refused(t, err, one.code, one.subject)
		})
	}
}

func TestCutAnywhereAnArchiveIsRefused(t *testing.T) {
	good := archiveOf(t, vectorBundle(), "attest/a")
	path := filepath.Join(t.TempDir(), "a.bundle")
	must(t, os.WriteFile(path, good, 0o644))
	for length := len(good) - 1; length >= 0; length-- {
		if length%tarBlock > 1 && length%tarBlock < tarBlock-1 {
			continue
		}
		must(t, os.Truncate(path, int64(length)))
		_, err := openArchive(path, "", -1)
		if refusal := asError(err); refusal == nil || refusal.Code != "archive_truncated" && refusal.Code != "file_missing" {
			t.Errorf("cut to %d bytes: %v", length, err)
		}
	}
}

func TestNoByteOfAHeaderMayBeAnother(t *testing.T) {
	for _, path := range []string{modelPath, "models/" + strings.Repeat("n", 100)} {
		head, _ := tarHeader(path, 154)
		for at := range head {
			for _, flip := range []byte{0x01, 0x10, 0x41, 0x80} {
				for _, sealed := range []bool{false, true} {
					other := bytes.Clone(head)
					other[at] ^= flip
					if sealed {
						copy(tarChecksum.of(other), tarSum(other))
					}
					found, size, err := readTarHeader(other, path)
					if err == nil && found == path && size == 154 && !bytes.Equal(other, head) {
						t.Errorf("byte %d of %s may be another", at, path)
					}
				}
			}
		}
	}
}

func TestAnArchiveIsWrittenOutAsItIs(t *testing.T) {
	folder := vectorBundle()
	data := archiveOf(t, folder, "attest/a", "attest/report.json")
	identity := mustOpen(t, folder).Manifest.Digest
	a, err := opened(t, data, identity, -1)
	must(t, err)
	target := t.TempDir()
	must(t, a.extract(target))
	if mustOpen(t, target).Manifest.Digest != identity || len(a.statements) != 2 {
		t.Error("the bundle is another one")
	}
	_, err = opened(t, data, strings.Repeat("0", 64), -1)
	refused(t, err, "bundle_digest_mismatch", manifestName)
	must(t, os.Truncate(a.file.Name(), a.length-7*tarBlock))
	refused(t, a.extract(t.TempDir()), "archive_truncated", modelPath)
}

func mustOpen(t testing.TB, folder string) *Bundle {
	t.Helper()
	bundle, err := OpenBundle(folder, nil)
	must(t, err)
	return bundle
}

func TestWhatIsNoFileIsNoArchive(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{"", "a\x00b", t.TempDir(), pipe, "/dev/null", filepath.Join(t.TempDir(), "nothing")} {
		_, err := openArchive(path, "", -1)
		refused(t, err, "archive_not_found", ".")
	}
}

func TestHeadersAreThoseOfTheStandardLibrary(t *testing.T) {
	// Where a path is split differs for longer ones: the format leaves it open.
	for _, path := range []string{"bundle.json", strings.Repeat("n", 100), "models/" + strings.Repeat("n", 100)} {
		var written bytes.Buffer
		must(t, tar.NewWriter(&written).WriteHeader(&tar.Header{
			Name: path, Mode: 0o644, Size: 154, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}))
		head, fits := tarHeader(path, 154)
		if !fits || !bytes.Equal(head, written.Bytes()) {
			t.Errorf("%s:\n%q\n%q", path, head, written.Bytes())
		}
	}
}

func TestAHeaderHasRoomForSoMuch(t *testing.T) {
	name := func(folder, file int) string { return strings.Repeat("f", folder) + "/" + strings.Repeat("n", file) }
	cases := map[string]bool{
		name(6, 93): true, name(6, 94): true, name(6, 100): true, name(6, 101): false, name(155, 100): true, name(156, 100): false,
		strings.Repeat("n", 101): false, "/" + strings.Repeat("n", 100): false, strings.Repeat("f", 101) + "/": false, "\u00e9": false,
	}
	for path, room := range cases {
		if _, fits := tarHeader(path, 1); fits != room {
			t.Errorf("%s: %v", path, fits)
		}
	}
	for _, size := range []int64{-1, maxTarSize + 1} {
		if _, fits := tarHeader("a", size); fits {
			t.Errorf("%d bytes fit", size)
		}
	}
}
