package predictor

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unsafe"
)

// alignment is what the address of every tensor that ONNX Runtime is handed is a multiple of: sums over a
// graph input give other last bits at other addresses.
const alignment = 16

// Element is a Go type that a tensor's elements can be held in. Tensors of float16 are made with
// NewFloat16, of strings with NewStrings.
type Element interface {
	bool | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

// Tensor is a dense array in C order. It borrows the memory that it was made from; copying a Tensor does
// not copy that. The zero Tensor has no element type and is refused by every call.
type Tensor struct {
	dtype   DType
	shape   []int64
	data    []byte
	strings []string
}

// NewTensor returns a tensor over a slice, without copying it. A shape without sizes is a scalar.
// Whether the shape fits the data is checked by the call that takes the tensor.
func NewTensor[T Element](data []T, shape ...int64) Tensor {
	var zero T
	return NewBytes(dtypeOf(zero), asBytes(data), shape...)
}

// NewFloat16 returns a tensor of float16 over the bits of its elements, without copying them.
func NewFloat16(data []uint16, shape ...int64) Tensor {
	return NewBytes(Float16, asBytes(data), shape...)
}

// NewStrings returns a tensor of strings, without copying the slice. Every string must be UTF-8 without U+0000.
func NewStrings(data []string, shape ...int64) Tensor {
	return Tensor{dtype: String, shape: slices.Clone(shape), strings: data}
}

// NewBytes returns a tensor over elements in the byte order of the host, without copying them; they may
// lie at any address. It is not for strings.
func NewBytes(dtype DType, data []byte, shape ...int64) Tensor {
	return Tensor{dtype: dtype, shape: slices.Clone(shape), data: data}
}

// DType returns the element type.
func (t Tensor) DType() DType { return t.dtype }

// Shape returns the sizes of the axes; empty for a scalar.
func (t Tensor) Shape() []int64 { return slices.Clone(t.shape) }

// Bytes returns the memory of the elements, in the byte order of the host; nil for strings.
func (t Tensor) Bytes() []byte { return t.data }

// Strings returns the elements of a tensor of strings, not a copy; nil for others.
func (t Tensor) Strings() []string { return t.strings }

// Values returns the elements of a tensor: its own memory where that lies at an address that T can be read
// from, else a copy. False where the tensor holds another type; float16 comes as uint16.
func Values[T Element](t Tensor) ([]T, bool) {
	var zero T
	want := dtypeOf(zero)
	if t.dtype != want && (t.dtype != Float16 || want != Uint16) {
		return nil, false
	}
	size := int(unsafe.Sizeof(zero))
	count := len(t.data) / size
	if count == 0 {
		return []T{}, true
	}
	first := unsafe.Pointer(unsafe.SliceData(t.data))
	if uintptr(first)%unsafe.Alignof(zero) == 0 {
		return unsafe.Slice((*T)(first), count), true
	}
	values := make([]T, count)
	copy(asBytes(values), t.data)
	return values, true
}

// count returns the number of elements of the shape, or false where a size is negative or the number too large.
func (t Tensor) count() (int, bool) { return elements(t.shape) }

// fits tells whether the tensor holds as many elements as its shape says.
func (t Tensor) fits() bool {
	count, ok := t.count()
	if t.dtype == String {
		return ok && count == len(t.strings)
	}
	size := dtypes[t.dtype].size
	return ok && size > 0 && len(t.data)%size == 0 && len(t.data)/size == count
}

func elements(shape []int64) (int, bool) {
	const largest = 1 << 60
	count, empty := uint64(1), false
	for _, size := range shape {
		if size < 0 {
			return 0, false
		}
		empty = empty || size == 0
	}
	for _, size := range shape {
		high, low := bits.Mul64(count, uint64(size))
		if !empty && (high != 0 || low > largest) {
			return 0, false
		}
		count = low
	}
	if empty {
		return 0, true
	}
	return int(count), true
}

func asBytes[T Element](data []T) []byte {
	if len(data) == 0 {
		return []byte{}
	}
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*int(unsafe.Sizeof(zero)))
}

func dtypeOf(value any) DType {
	switch value.(type) {
	case bool:
		return Bool
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	case float32:
		return Float32
	}
	return Float64
}

// alignedBytes returns zeroed memory that begins at a multiple of alignment and holds at least one byte,
// so that its address can be taken.
func alignedBytes(size int) []byte {
	memory := make([]byte, size+2*alignment)
	offset := -int(address(memory)) & (alignment - 1)
	return memory[offset : offset+size : offset+max(size, 1)]
}

func address(data []byte) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(data)))
}

// isAligned tells whether data can be handed over as it is; what has no bytes cannot lie wrongly.
func isAligned(data []byte) bool {
	return len(data) == 0 || address(data)%alignment == 0
}

func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	return address(a) < address(b)+uintptr(len(b)) && address(b) < address(a)+uintptr(len(a))
}

func describeShape(shape []int64) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ", ")
}
