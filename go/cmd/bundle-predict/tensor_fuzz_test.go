package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// FuzzTensor: whatever the bytes are, they are a tensor of a request or refused.
func FuzzTensor(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "spec", "cases", "*", "*", "case.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no vector: %v", err)
	}
	for _, file := range files {
		var vector struct {
			Steps []struct{ Inputs, Outputs map[string]json.RawMessage }
		}
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &vector)
		}
		if err != nil {
			f.Fatal(err)
		}
		for _, step := range vector.Steps {
			for _, tensor := range step.Inputs {
				f.Add([]byte(tensor))
			}
			for _, tensor := range step.Outputs {
				f.Add([]byte(tensor))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if tensor, err := decodeTensor("x", data); err == nil && len(tensor.Bytes())%max(sizes[tensor.DType()], 1) != 0 {
			t.Errorf("%d bytes of %s", len(tensor.Bytes()), tensor.DType())
		}
		_, _ = makeBuffer("x", data)
	})
}
