package predictor

import (
	ort "github.com/yalue/onnxruntime_go"
)

// DType is the element type of a tensor, by its word in manifests.
type DType string

// The element types of a bundle. Float16 is stored as the 16 bits of an IEEE half.
const (
	Bool    DType = "bool"
	Float16 DType = "float16"
	Float32 DType = "float32"
	Float64 DType = "float64"
	Int8    DType = "int8"
	Int16   DType = "int16"
	Int32   DType = "int32"
	Int64   DType = "int64"
	String  DType = "string"
	Uint8   DType = "uint8"
	Uint16  DType = "uint16"
	Uint32  DType = "uint32"
	Uint64  DType = "uint64"
)

type dtypeRow struct {
	// size is in bytes; 0 for strings, which have no fixed size.
	size int
	// native is the number that ONNX Runtime knows the type by.
	native ort.TensorElementDataType
	// golden is the word in a safetensors header; "" for strings, which are two tensors there.
	golden string
}

var dtypes = map[DType]dtypeRow{
	Bool:    {1, ort.TensorElementDataTypeBool, "BOOL"},
	Float16: {2, ort.TensorElementDataTypeFloat16, "F16"},
	Float32: {4, ort.TensorElementDataTypeFloat, "F32"},
	Float64: {8, ort.TensorElementDataTypeDouble, "F64"},
	Int8:    {1, ort.TensorElementDataTypeInt8, "I8"},
	Int16:   {2, ort.TensorElementDataTypeInt16, "I16"},
	Int32:   {4, ort.TensorElementDataTypeInt32, "I32"},
	Int64:   {8, ort.TensorElementDataTypeInt64, "I64"},
	String:  {0, ort.TensorElementDataTypeString, ""},
	Uint8:   {1, ort.TensorElementDataTypeUint8, "U8"},
	Uint16:  {2, ort.TensorElementDataTypeUint16, "U16"},
	Uint32:  {4, ort.TensorElementDataTypeUint32, "U32"},
	Uint64:  {8, ort.TensorElementDataTypeUint64, "U64"},
}

// dtypeOfNative returns the word for a type of ONNX Runtime, "" where a bundle has no such type.
func dtypeOfNative(native ort.TensorElementDataType) DType {
	for word, row := range dtypes {
		if row.native == native {
			return word
		}
	}
	return ""
}

func isFloat(dtype DType) bool {
	return dtype == Float16 || dtype == Float32 || dtype == Float64
}
