package predictor

import (
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
