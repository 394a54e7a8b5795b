package predictor

import (
	"reflect"
	"runtime"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"
)

// values are tensors in the form that ONNX Runtime takes. It keeps addresses of Go memory in them, so that
// memory stays pinned until release; the values hold it against collection.
type values struct {
	list   []ort.Value
	pinner runtime.Pinner
}

// release lets go of every value. The memory of tensors that were not copied stays with its owner.
func (v *values) release() {
	for index, value := range v.list {
		if isThere(value) {
			_ = value.Destroy()
		}
		v.list[index] = nil
	}
	v.pinner.Unpin()
	runtime.KeepAlive(v)
}

// isThere tells a value from none: the module also returns typed nil pointers.
func isThere(value ort.Value) bool {
	return value != nil && !reflect.ValueOf(value).IsNil()
}

// add appends a tensor, copied to aligned memory where it does not lie there.
func (v *values) add(tensor *Tensor) error {
	var value ort.Value
	var err error
	switch {
	case tensor.dtype == String:
		value, err = stringValue(tensor)
	case len(tensor.shape) == 0:
		value, err = scalarValue(tensor)
	default:
		value, err = v.dense(tensor.dtype, tensor.shape, tensor.data)
	}
	if err != nil {
		return err
	}
	v.list = append(v.list, value)
	return nil
}

// dense returns a value over memory, or over an aligned copy of it.
func (v *values) dense(dtype DType, shape []int64, data []byte) (ort.Value, error) {
	if !isAligned(data) || len(data) == 0 {
		staging := alignedBytes(len(data))
		copy(staging, data)
		// Even a tensor without elements needs an address, and the module a byte there.
		data = staging[:max(len(data), 1)]
	}
	v.pin(data)
	return ort.NewCustomDataTensor(ort.Shape(shape), data, dtypes[dtype].native)
}

// pin keeps memory in its place. Memory that is not Go's, such as a mapped file, is in its place anyway;
// the pinner has no other way to say that it is not its business than to panic.
func (v *values) pin(data []byte) {
	defer func() { _ = recover() }()
	v.pinner.Pin(unsafe.SliceData(data))
}

func stringValue(tensor *Tensor) (ort.Value, error) {
	value, err := ort.NewStringTensor(ort.Shape(tensor.shape))
	if err != nil {
		return nil, err
	}
	if err := value.SetContents(tensor.strings); err != nil {
		_ = value.Destroy()
		return nil, err
	}
	return value, nil
}

// scalarValue returns a value without axes. The module gives such a one memory of its own.
func scalarValue(tensor *Tensor) (ort.Value, error) {
	switch tensor.dtype {
	case Bool:
		return newScalar[bool](tensor)
	case Int8:
		return newScalar[int8](tensor)
	case Int16:
		return newScalar[int16](tensor)
	case Int32:
		return newScalar[int32](tensor)
	case Int64:
		return newScalar[int64](tensor)
	case Uint8:
		return newScalar[uint8](tensor)
	case Uint16:
		return newScalar[uint16](tensor)
	case Uint32:
		return newScalar[uint32](tensor)
	case Uint64:
		return newScalar[uint64](tensor)
	case Float32:
		return newScalar[float32](tensor)
	case Float64:
		return newScalar[float64](tensor)
	}
	return nil, refuse("tensor_unsupported", ".", "at least one axis", string(tensor.dtype)+" of rank 0")
}

// newScalar makes scalars until one lies at an aligned address: the module asks Go for the memory, which
// hands out one small block after the other. One element has the same bits at every address, so the last is
// taken when there is no luck.
func newScalar[T interface {
	Element
	ort.TensorData
}](tensor *Tensor) (ort.Value, error) {
	const tries = 64
	content, _ := Values[T](*tensor)
	var scalar *ort.Scalar[T]
	for range tries {
		before := scalar
		next, err := ort.NewScalar(content[0])
		if before != nil {
			// Only now, so that the new one could not get the same memory again.
			_ = before.Destroy()
		}
		if err != nil {
			return nil, err
		}
		scalar = next
		if memory := reflect.ValueOf(scalar).Elem().FieldByName("data"); !memory.IsValid() || memory.Pointer()%alignment == 0 {
			break
		}
	}
	return scalar, nil
}

// tensorOf returns what a value holds. Numbers share the value's memory, which is Go's and outlives it.
func tensorOf(value ort.Value) (Tensor, error) {
	t := Tensor{dtype: dtypeOfNative(ort.TensorElementDataType(value.DataType())), shape: value.GetShape()}
	switch value := value.(type) {
	case *ort.CustomDataTensor:
		t.data = value.GetData()
	case *ort.StringTensor:
		contents, err := value.GetContents()
		t.strings = contents
		return t, err
	case interface{ GetData() []bool }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []int8 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []int16 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []int32 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []int64 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []uint8 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []uint16 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []uint32 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []uint64 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []float32 }:
		t.data = asBytes(value.GetData())
	case interface{ GetData() []float64 }:
		t.data = asBytes(value.GetData())
	default:
		t.data = scalarBytes(value)
	}
	if count, ok := t.count(); ok && count*dtypes[t.dtype].size < len(t.data) {
		// The byte that stands for no elements.
		t.data = t.data[:count*dtypes[t.dtype].size]
	}
	return t, nil
}

func scalarBytes(value ort.Value) []byte {
	switch value := value.(type) {
	case *ort.Scalar[bool]:
		return asBytes([]bool{value.GetData()})
	case *ort.Scalar[int8]:
		return asBytes([]int8{value.GetData()})
	case *ort.Scalar[int16]:
		return asBytes([]int16{value.GetData()})
	case *ort.Scalar[int32]:
		return asBytes([]int32{value.GetData()})
	case *ort.Scalar[int64]:
		return asBytes([]int64{value.GetData()})
	case *ort.Scalar[uint8]:
		return asBytes([]uint8{value.GetData()})
	case *ort.Scalar[uint16]:
		return asBytes([]uint16{value.GetData()})
	case *ort.Scalar[uint32]:
		return asBytes([]uint32{value.GetData()})
	case *ort.Scalar[uint64]:
		return asBytes([]uint64{value.GetData()})
	case *ort.Scalar[float32]:
		return asBytes([]float32{value.GetData()})
	case *ort.Scalar[float64]:
		return asBytes([]float64{value.GetData()})
	}
	return nil
}
