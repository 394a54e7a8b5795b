package predictor

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Models are written by hand here, so that Go's tests need no other language: an ONNX file is a few nested
// protocol buffer messages.

type port struct {
	name  string
	dtype DType
	// shape has an int or a string per axis; nil leaves the rank open.
	shape []any
}

type node struct {
	op              string
	inputs, outputs []string
	// attributes are integers.
	attributes map[string]int64
}

var onnxTypes = map[DType]uint64{
	Float32: 1, Uint8: 2, Int8: 3, Uint16: 4, Int16: 5, Int32: 6, Int64: 7, String: 8, Bool: 9, Float16: 10, Float64: 11, Uint32: 12, Uint64: 13,
}

func varint(field, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, field<<3), value)
}

func message(field uint64, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, field<<3|2), uint64(len(content))), content...)
}

func (n node) encode() []byte {
	var parts [][]byte
	for _, name := range n.inputs {
		parts = append(parts, message(1, []byte(name)))
	}
	for _, name := range n.outputs {
		parts = append(parts, message(2, []byte(name)))
	}
	parts = append(parts, message(4, []byte(n.op)))
	for name, value := range n.attributes {
		parts = append(parts, message(5, message(1, []byte(name)), varint(3, uint64(value)), varint(20, 2)))
	}
	return message(1, parts...)
}

func (p port) encode(field uint64) []byte {
	var dims [][]byte
	for _, size := range p.shape {
		switch size := size.(type) {
		case int:
			dims = append(dims, message(1, varint(1, uint64(size))))
		case string:
			dims = append(dims, message(1, message(2, []byte(size))))
		}
	}
	tensor := varint(1, onnxTypes[p.dtype])
	if p.shape != nil {
		tensor = append(tensor, message(2, dims...)...)
	}
	return message(field, message(1, []byte(p.name)), message(2, message(1, tensor)))
}

// model is what a made bundle holds; promised replaces the outputs in the manifest where it is set.
type model struct {
	nodes           []node
	inputs, outputs []port
	promised        []port
	dependent       bool
	batch           string
	// library goes into the bundle's lib folder.
	library []byte
}

const bundledLibrary = "lib/libonnxruntime.so"

func (m model) encode() []byte {
	var graph [][]byte
	for _, one := range m.nodes {
		graph = append(graph, one.encode())
	}
	graph = append(graph, message(2, []byte("made")))
	for _, one := range m.inputs {
		graph = append(graph, one.encode(11))
	}
	for _, one := range m.outputs {
		graph = append(graph, one.encode(12))
	}
	const irVersion, opset = 8, 17
	return bytes.Join([][]byte{varint(1, irVersion), message(7, graph...), message(8, varint(2, opset))}, nil)
}

// bundle writes the model as a bundle and returns its folder.
func (m model) bundle(t testing.TB) string {
	t.Helper()
	content := m.encode()
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	promised := m.promised
	if promised == nil {
		promised = m.outputs
	}
	var inputs, outputs, tolerances []object
	for _, one := range m.inputs {
		inputs = append(inputs, object{"name": one.name, "dtype": one.dtype, "finite": isFloat(one.dtype), "shape": append([]any{}, one.shape...)})
	}
	for _, one := range promised {
		outputs = append(outputs, object{"name": one.name, "dtype": one.dtype, "decision": "none", "shape": append([]any{}, one.shape...)})
		tolerances = append(tolerances, object{"word": "exact"})
	}
	manifest := object{
		"default_variant": "source", "format_version": 1, "golden": []any{}, "inputs": append([]object{}, inputs...), "outputs": outputs,
		"files":   []object{{"path": "models/source.onnx", "sha256": digest, "size": len(content)}},
		"model":   object{"license": "Apache-2.0", "name": "made", "version": "1.0.0", "source": object{"format": "onnx", "sha256": digest}},
		"recipe":  object{"host": object{"arch": "x86_64", "cpu_class": "generic"}, "options": object{}, "stages": []any{}, "tools": object{}},
		"runtime": object{"minimum": "1.29.0", "version": "1.31.1"}, "target": object{"arch": "any", "cpu_class": "generic", "os": "any"},
		"variants": []object{{
			"batch_invariant": !m.dependent, "bytes": len(content), "cpu_class": "generic", "files": object{"onnx": "models/source.onnx"},
			"minimum_runtime": "1.29.0", "name": "source", "precision": "float32", "rank": 0, "tolerances": tolerances, "writer": "1.31.1",
		}},
	}
	if m.batch != "" {
		manifest["batch"] = object{"symbol": m.batch}
	}
	folder := t.TempDir()
	if m.library != nil {
		sum := sha256.Sum256(m.library)
		entry := object{"path": bundledLibrary, "sha256": hex.EncodeToString(sum[:]), "size": len(m.library)}
		manifest["files"] = append([]object{entry}, manifest["files"].([]object)...)
		manifest["runtime"].(object)["library"] = bundledLibrary
		must(t, os.Mkdir(filepath.Join(folder, "lib"), 0o755))
		must(t, os.WriteFile(filepath.Join(folder, bundledLibrary), m.library, 0o644))
	}
	data, err := json.Marshal(manifest)
	must(t, err)
	must(t, os.Mkdir(filepath.Join(folder, "models"), 0o755))
	must(t, os.WriteFile(filepath.Join(folder, "models/source.onnx"), content, 0o644))
	must(t, os.WriteFile(filepath.Join(folder, "bundle.json"), data, 0o644))
	return folder
}

func (m model) open(t testing.TB, options Options) *Predictor {
	t.Helper()
	p, err := Open(m.bundle(t), options)
	must(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails unless the error is a refusal with this code and subject.
func refused(t testing.TB, err error, code, subject string) {
	t.Helper()
	if refusal := asError(err); refusal == nil || refusal.Code != code || refusal.Subject != subject {
		t.Errorf("expected %s `%s`, found %v", code, subject, err)
	}
}

func root() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../..")
}
