package predictor

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// seeds hands the vectors' files of a pattern below spec/cases to a fuzz target; plain `go test` plays them.
func seeds(f *testing.F, patterns ...string) {
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(root(), "spec", "cases", pattern))
		if err != nil || len(files) == 0 {
			f.Fatalf("no file is like %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			must(f, err)
			f.Add(data)
		}
	}
}

// FuzzManifest: whatever the bytes are, they are read or refused, and what is read says what was read.
func FuzzManifest(f *testing.F) {
	seeds(f, "*/*/manifest.json", "*/*/bundle/bundle.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		manifest, err := ParseManifest(data)
		if err == nil {
			if len(manifest.Digest) != 64 {
				t.Error(manifest.Digest)
			}
			return
		}
		if known := asError(err); known == nil || known.Subject != "" && known.Subject[0] != '/' {
			t.Error(err)
		}
	})
}

// FuzzGolden: whatever the bytes are, they are the case of a bundle with strings, booleans and floats, or refused.
func FuzzGolden(f *testing.F) {
	seeds(f, "*/*/bundle/golden/*")
	data, err := os.ReadFile(filepath.Join(root(), "spec", "cases", "valid", "several_tensors", "bundle", "bundle.json"))
	must(f, err)
	manifest, err := ParseManifest(data)
	must(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		tensors, err := readTensors(data)
		if err != nil || checkGoldenPorts(tensors, manifest) != nil {
			return
		}
		for _, tensor := range tensors {
			if !tensor.fits() {
				t.Errorf("%v of shape %v in %d bytes, %d strings", tensor.DType(), tensor.Shape(), len(tensor.data), len(tensor.strings))
			}
		}
	})
}

// FuzzLibrary: whatever the bytes are, they are what a library states, or no library.
func FuzzLibrary(f *testing.F) {
	seeds(f, "library/*/*/*.so")
	f.Fuzz(func(t *testing.T, data []byte) {
		file := bytes.NewReader(data)
		header, err := readElfHeader(file)
		if err != nil {
			return
		}
		library, err := readElf(file, uint64(len(data)), header)
		if err == nil && len(library.needed)+len(library.defined) > len(data) {
			t.Error("it states more than it holds")
		}
	})
}

// FuzzArchive: whatever the bytes are, they are an archive or refused; what is taken lies inside the file and
// has the one spelling, so that writing the same headers again gives the same bytes.
func FuzzArchive(f *testing.F) {
	good := archiveOf(f, vectorBundle(), "attest/a")
	f.Add(good)
	for _, one := range archiveFaults(f) {
		f.Add(planted(f, archiveOf(f, vectorBundle()), one.fault))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := opened(t, data, "", -1)
		if err != nil {
			if asError(err) == nil {
				t.Error(err)
			}
			return
		}
		var whole []byte
		for _, entry := range append(a.entries, a.statements...) {
			whole = append(whole, tarEntry(t, entry.path, data[entry.offset:][:entry.size])...)
		}
		if whole = append(whole, make([]byte, 2*tarBlock)...); !bytes.Equal(whole, data) {
			t.Error("an archive of another spelling was taken")
		}
	})
}
