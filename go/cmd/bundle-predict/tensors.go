package main

import (
	"encoding/hex"
	"encoding/json"
	"unsafe"

	"example.com/edgebundle/go/predictor"
)

const (
	alignment = 16
	maxOffset = 15
	// No request carries as much as this, so a buffer of more is a misprint, and not worth the memory.
	mostBuffer = 1 << 30
)

// wireTensor is a TENSOR of DRIVER.md.
type wireTensor struct {
	dtype     predictor.DType
	shape     []int64
	data      json.RawMessage
	offset    int
	bigEndian bool
}

// sizes are the bytes of an element; 0 for strings.
var sizes = map[predictor.DType]int{
	predictor.Bool: 1, predictor.Float16: 2, predictor.Float32: 4, predictor.Float64: 8, predictor.Int8: 1, predictor.Int16: 2,
	predictor.Int32: 4, predictor.Int64: 8, predictor.String: 0, predictor.Uint8: 1, predictor.Uint16: 2, predictor.Uint32: 4,
	predictor.Uint64: 8,
}

// readWire reads field by field: the decoder of structs would take a misspelt name for a right one.
func readWire(name string, raw json.RawMessage) (*wireTensor, error) {
	var fields map[string]json.RawMessage
	if decode(raw, &fields) != nil || fields == nil {
		return nil, noTensor(name, "an object with dtype, shape and data")
	}
	tensor := &wireTensor{data: fields["data"]}
	if decode(fields["dtype"], &tensor.dtype) != nil || !isDType(tensor.dtype) {
		return nil, noTensor(name, "a dtype of the format")
	}
	if decode(fields["shape"], &tensor.shape) != nil || tensor.shape == nil || tensor.count() < 0 {
		return nil, noTensor(name, "a shape of sizes")
	}
	if value, given := fields["offset"]; given {
		var offset *int
		if decode(value, &offset) != nil || offset == nil || *offset < 0 || *offset > maxOffset {
			return nil, noTensor(name, "an offset of 0 to 15")
		}
		tensor.offset = *offset
	}
	if value, given := fields["byte_order"]; given {
		var order string
		if decode(value, &order) != nil || order != "big" && order != "little" {
			return nil, noTensor(name, "a byte order, little or big")
		}
		tensor.bigEndian = order == "big"
	}
	return tensor, nil
}

func isDType(word predictor.DType) bool {
	_, is := sizes[word]
	return is
}

// count returns the number of elements, -1 where no memory could hold them.
func (w *wireTensor) count() int {
	const largest = 1 << 40
	count, empty := int64(1), false
	for _, size := range w.shape {
		if size < 0 {
			return -1
		}
		empty = empty || size == 0
	}
	for _, size := range w.shape {
		if empty {
			return 0
		}
		if size > largest/count {
			return -1
		}
		count *= size
	}
	return int(count)
}

// decodeTensor returns an input at the address and in the byte order that the request asks for.
func decodeTensor(name string, raw json.RawMessage) (predictor.Tensor, error) {
	wire, err := readWire(name, raw)
	if err != nil {
		return predictor.Tensor{}, err
	}
	if wire.dtype == predictor.String {
		return decodeStrings(name, wire)
	}
	var text string
	if decode(wire.data, &text) != nil {
		return predictor.Tensor{}, noTensor(name, "data in hex")
	}
	content, err := hex.DecodeString(text)
	size := sizes[wire.dtype]
	if err != nil || len(content)%size != 0 || len(content)/size != wire.count() {
		return predictor.Tensor{}, noTensor(name, "data in hex, as many bytes as the shape has")
	}
	data := place(len(content), wire.offset)
	copy(data, content)
	dtype := wire.dtype
	if wire.bigEndian && size > 1 {
		// Go has no type for another byte order; a word that is no dtype is refused where the dtype is judged.
		dtype += " in big-endian order"
	}
	return predictor.NewBytes(dtype, data, wire.shape...), nil
}

func decodeStrings(name string, wire *wireTensor) (predictor.Tensor, error) {
	var encoded []string
	if decode(wire.data, &encoded) != nil || len(encoded) != wire.count() {
		return predictor.Tensor{}, noTensor(name, "a list of strings in hex, as many as the shape has")
	}
	texts := make([]string, len(encoded))
	for index, word := range encoded {
		content, err := hex.DecodeString(word)
		if err != nil {
			return predictor.Tensor{}, noTensor(name, "strings in hex")
		}
		texts[index] = string(content)
	}
	return predictor.NewStrings(texts, wire.shape...), nil
}

// makeBuffer returns memory for an output, whatever the tensor's data says.
func makeBuffer(name string, raw json.RawMessage) (predictor.Tensor, error) {
	wire, err := readWire(name, raw)
	if err != nil {
		return predictor.Tensor{}, err
	}
	if wire.count()*max(sizes[wire.dtype], 1) > mostBuffer {
		return predictor.Tensor{}, noTensor(name, "a buffer of 2^30 bytes at most")
	}
	if wire.dtype == predictor.String {
		return predictor.NewStrings(make([]string, wire.count()), wire.shape...), nil
	}
	return predictor.NewBytes(wire.dtype, place(wire.count()*sizes[wire.dtype], wire.offset), wire.shape...), nil
}

// place returns memory that begins offset bytes above a multiple of the alignment.
func place(size, offset int) []byte {
	memory := make([]byte, size+2*alignment+offset)
	start := -int(uintptr(unsafe.Pointer(unsafe.SliceData(memory))))&(alignment-1) + offset
	return memory[start : start+size]
}

// encodeTensors returns tensors as DRIVER.md writes them.
func encodeTensors(tensors map[string]predictor.Tensor) map[string]any {
	encoded := make(map[string]any, len(tensors))
	for name, tensor := range tensors {
		var data any = hex.EncodeToString(tensor.Bytes())
		if tensor.DType() == predictor.String {
			words := make([]string, 0, len(tensor.Strings()))
			for _, text := range tensor.Strings() {
				words = append(words, hex.EncodeToString([]byte(text)))
			}
			data = words
		}
		shape := tensor.Shape()
		if shape == nil {
			shape = []int64{}
		}
		encoded[name] = map[string]any{"dtype": tensor.DType(), "shape": shape, "data": data}
	}
	return encoded
}

func noTensor(name, expected string) error {
	return misspelt(name, expected, "another tensor")
}
