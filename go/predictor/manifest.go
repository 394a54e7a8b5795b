package predictor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	maxManifest   = 1 << 20
	formatVersion = 1
)

// Dim is the size of one axis: fixed, or named by a symbol that a call gives a value of at least 1.
type Dim struct {
	// Symbol is the name, or "" where the size is fixed.
	Symbol string
	// Size is the fixed size; it may be 0.
	Size int64
}

// String returns the symbol or the size.
func (d Dim) String() string {
	if d.Symbol != "" {
		return d.Symbol
	}
	return strconv.FormatInt(d.Size, 10)
}

// Port is an input or output of the model.
type Port struct {
	// Name is the tensor's name in the model.
	Name string
	// DType is its element type.
	DType DType
	// Shape has one entry per axis.
	Shape []Dim
	// Finite tells of an input whether NaN and infinities are refused.
	Finite bool
	// Decision tells of an output what it decides: "argmax", "equal", "none" or "threshold".
	Decision string
	// Meaning is free text.
	Meaning string
}

// sealedFile is one file of a bundle: its path inside, its size in bytes, its SHA-256 in lower-case hex.
type sealedFile struct {
	path   string
	size   int64
	sha256 string
}

// Variant is one model in one precision.
type Variant struct {
	// Name is "source" for the base variant; the others are named after their precision.
	Name string
	// Precision is a word of the schema, such as "float32" or "int8".
	Precision string
	// Files maps a format, "onnx" or "ort", to a path in the bundle.
	Files map[string]string
	// BatchInvariant tells whether a row's answer is free of its batch-mates.
	BatchInvariant bool
	// Threads is how many it was measured best with; 0 where the manifest does not say.
	Threads int

	cpuClass, minimumRuntime, writer string
	tolerances                       []tolerance
}

// Manifest is a checked bundle.json. It must not be changed.
type Manifest struct {
	// Digest is the identity of the bundle: the SHA-256 of the manifest's bytes in hex.
	Digest string
	// Name and Version are the model's.
	Name, Version string
	// Inputs and Outputs stand in the model's order.
	Inputs, Outputs []Port
	// Variants has at least one entry.
	Variants []Variant
	// DefaultVariant is what Open takes when the caller names none.
	DefaultVariant string
	// Tree is the whole manifest: map[string]any, []any, string, bool and int64.
	Tree map[string]any

	files       []sealedFile
	golden      []goldenFile
	batchSymbol string
	batchSize   int64
}

type goldenFile struct{ name, path string }

// ParseManifest reads the bytes of a bundle.json and proves them by the checks M1 to M14, in their order.
// The error is an *Error of stage manifest whose subject is a JSON Pointer. It keeps no reference to data.
func ParseManifest(data []byte) (*Manifest, error) {
	if err := checkManifestSize(data); err != nil {
		return nil, err
	}
	value, err := parseJSON(data, true)
	if err != nil {
		return nil, manifestFault(err)
	}
	top, err := checkVersion(value)
	if err != nil {
		return nil, err
	}
	if err := checkStructure(top, table("bundle.schema.json"), ""); err != nil {
		return nil, err
	}
	if err := checkConsistency(top); err != nil {
		return nil, err
	}
	return buildManifest(top, data), nil
}

func checkManifestSize(data []byte) error {
	if len(data) > maxManifest {
		return refuse("manifest_too_large", "", fmt.Sprintf("at most %d bytes", maxManifest), "more")
	}
	return nil
}

// checkVersion is check M4.
func checkVersion(value tree) (object, error) {
	top, is := value.(object)
	if !is {
		return nil, refuse("manifest_field_type", "", "an object", typeWord(value))
	}
	version, there := top["format_version"]
	if !there {
		return nil, refuse("manifest_field_missing", "/format_version", "the key", "nothing")
	}
	number, is := version.(int64)
	if !is {
		return nil, refuse("manifest_field_type", "/format_version", "integer", typeWord(version))
	}
	if number != formatVersion {
		return nil, refuse("format_version_unsupported", "/format_version", strconv.Itoa(formatVersion), strconv.FormatInt(number, 10))
	}
	return top, nil
}

// buildManifest turns a checked tree into fields.
func buildManifest(top object, data []byte) *Manifest {
	sum := sha256.Sum256(data)
	m := &Manifest{
		Digest:         hex.EncodeToString(sum[:]),
		Name:           digText(top, "model", "name"),
		Version:        digText(top, "model", "version"),
		DefaultVariant: digText(top, "default_variant"),
		Tree:           top,
		batchSymbol:    digText(top, "batch", "symbol"),
		batchSize:      number(top, "batch", "size"),
	}
	for _, entry := range entries(top, "inputs") {
		m.Inputs = append(m.Inputs, buildPort(entry))
	}
	for _, entry := range entries(top, "outputs") {
		m.Outputs = append(m.Outputs, buildPort(entry))
	}
	for _, entry := range entries(top, "files") {
		m.files = append(m.files, sealedFile{digText(entry, "path"), number(entry, "size"), digText(entry, "sha256")})
	}
	for _, entry := range entries(top, "golden") {
		m.golden = append(m.golden, goldenFile{digText(entry, "name"), digText(entry, "path")})
	}
	for _, entry := range entries(top, "variants") {
		m.Variants = append(m.Variants, buildVariant(entry))
	}
	return m
}

func buildPort(entry object) Port {
	port := Port{
		Name: digText(entry, "name"), DType: DType(digText(entry, "dtype")),
		Decision: digText(entry, "decision"), Meaning: digText(entry, "meaning"),
	}
	port.Finite, _ = entry["finite"].(bool)
	sizes, _ := entry["shape"].([]any)
	for _, size := range sizes {
		symbol, _ := size.(string)
		fixed, _ := size.(int64)
		port.Shape = append(port.Shape, Dim{symbol, fixed})
	}
	return port
}

func buildVariant(entry object) Variant {
	v := Variant{
		Name: digText(entry, "name"), Precision: digText(entry, "precision"), Files: map[string]string{},
		Threads:  int(number(entry, "threads")),
		cpuClass: digText(entry, "cpu_class"), minimumRuntime: digText(entry, "minimum_runtime"), writer: digText(entry, "writer"),
	}
	v.BatchInvariant, _ = entry["batch_invariant"].(bool)
	for format := range digObject(entry, "files") {
		v.Files[format] = digText(entry, "files", format)
	}
	for _, row := range entries(entry, "tolerances") {
		v.tolerances = append(v.tolerances, tolerance{
			word:  digText(row, "word"),
			slack: float32Of(digText(row, "bound")) + float64(number(row, "quanta"))*float32Of(digText(row, "step")),
		})
	}
	return v
}

// float32Of returns the float32 of a bit pattern in hex, most significant digit first; 0 for "".
func float32Of(bits string) float64 {
	pattern, err := strconv.ParseUint(bits, 16, 32)
	if err != nil {
		return 0
	}
	return float64(math.Float32frombits(uint32(pattern)))
}

// variant returns the variant of a name (check P2).
func (m *Manifest) variant(name string) (*Variant, error) {
	names := make([]string, 0, len(m.Variants))
	for i := range m.Variants {
		if m.Variants[i].Name == name {
			return &m.Variants[i], nil
		}
		names = append(names, m.Variants[i].Name)
	}
	return nil, refuse("variant_unknown", name, "one of "+quoted(names...), "no such variant")
}

// file returns the entry of a path that check M13 has found in the list.
func (m *Manifest) file(path string) sealedFile {
	for _, entry := range m.files {
		if entry.path == path {
			return entry
		}
	}
	return sealedFile{path: path}
}

// entries returns the objects of an array.
func entries(value any, keys ...string) []object {
	elements, _ := dig(value, keys...).([]any)
	rows := make([]object, 0, len(elements))
	for _, element := range elements {
		row, _ := element.(object)
		rows = append(rows, row)
	}
	return rows
}

func number(value any, keys ...string) int64 {
	n, _ := dig(value, keys...).(int64)
	return n
}

// compareVersions orders two versions by their first three numbers: "1.31.1+x" counts as "1.31.1".
func compareVersions(a, b string) int {
	first, second := versionNumbers(a), versionNumbers(b)
	for i := range first {
		if first[i] != second[i] {
			return first[i] - second[i]
		}
	}
	return 0
}

func versionNumbers(text string) (numbers [3]int) {
	words := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	for i := range min(len(words), len(numbers)) {
		numbers[i], _ = strconv.Atoi(words[i])
	}
	return numbers
}
