package main

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"example.com/edgebundle/go/predictor"
)

type kind int

const (
	boolean kind = iota
	signed
	unsigned
	float
	half
	text
)

// datatype is an element type of the protocol.
type datatype struct {
	name  string
	dtype predictor.DType
	kind  kind
	// size is in bytes; 0 for text.
	size int
}

var datatypes = []datatype{
	{"BOOL", predictor.Bool, boolean, 1},
	{"UINT8", predictor.Uint8, unsigned, 1},
	{"UINT16", predictor.Uint16, unsigned, 2},
	{"UINT32", predictor.Uint32, unsigned, 4},
	{"UINT64", predictor.Uint64, unsigned, 8},
	{"INT8", predictor.Int8, signed, 1},
	{"INT16", predictor.Int16, signed, 2},
	{"INT32", predictor.Int32, signed, 4},
	{"INT64", predictor.Int64, signed, 8},
	{"FP16", predictor.Float16, half, 2},
	{"FP32", predictor.Float32, float, 4},
	{"FP64", predictor.Float64, float, 8},
	{"BYTES", predictor.String, text, 0},
}

// datatypeNamed returns the type of a name of the protocol.
func datatypeNamed(name string) (datatype, bool) {
	at := slices.IndexFunc(datatypes, func(row datatype) bool { return row.name == name })
	if at < 0 {
		return datatype{}, false
	}
	return datatypes[at], true
}

// datatypeOf returns the type for a dtype of a bundle; the protocol has one for each.
func datatypeOf(dtype predictor.DType) datatype {
	at := slices.IndexFunc(datatypes, func(row datatype) bool { return row.dtype == dtype })
	return datatypes[at]
}

// appendElement appends an element, given as a word of JSON, as it lies in memory. All machines that ONNX Runtime
// is built for are little-endian, as the protocol is.
func (d datatype) appendElement(memory []byte, word string) ([]byte, error) {
	var bits uint64
	var err error
	width := 8 * d.size
	switch d.kind {
	case boolean:
		if word != "true" && word != "false" {
			err = strconv.ErrSyntax
		} else if word == "true" {
			bits = 1
		}
	case signed:
		var value int64
		value, err = strconv.ParseInt(word, 10, width)
		bits = uint64(value)
	case unsigned:
		bits, err = strconv.ParseUint(word, 10, width)
	default:
		var value float64
		value, err = strconv.ParseFloat(word, width)
		bits = math.Float64bits(value)
		if d.size == 4 {
			bits = uint64(math.Float32bits(float32(value)))
		}
	}
	var all [8]byte
	binary.LittleEndian.PutUint64(all[:], bits)
	return append(memory, all[:d.size]...), err
}

// appendWord appends the first element of memory as a word of JSON; false where JSON has none for it.
func (d datatype) appendWord(words, memory []byte) ([]byte, bool) {
	var all [8]byte
	copy(all[:], memory[:d.size])
	bits := binary.LittleEndian.Uint64(all[:])
	switch d.kind {
	case boolean:
		return strconv.AppendBool(words, bits != 0), true
	case signed:
		unused := 64 - 8*d.size
		return strconv.AppendInt(words, int64(bits<<unused)>>unused, 10), true
	case unsigned:
		return strconv.AppendUint(words, bits, 10), true
	}
	value := math.Float64frombits(bits)
	if d.size == 4 {
		value = float64(math.Float32frombits(uint32(bits)))
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return words, false
	}
	// As many digits as a float64 needs, also for a float32: a reader that takes every number for a float64 and
	// rounds it afterwards gets the same bits.
	return strconv.AppendFloat(words, value, 'g', -1, 64), true
}
