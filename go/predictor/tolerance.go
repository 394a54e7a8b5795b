package predictor

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// tolerance is a word of tolerances.json; slack is the part of its bound that does not depend on the tensor.
type tolerance struct {
	word  string
	slack float64
}

// difference is what two tensors differ in.
type difference struct {
	passed          bool
	worst           float64
	flips, nearTies int64
}

// compare compares a tensor with its reference; decision is a word of tolerances.json.
func compare(actual, reference *Tensor, allowed tolerance, decision string) difference {
	if actual.dtype != reference.dtype || !slices.Equal(actual.shape, reference.shape) {
		return difference{worst: math.Inf(1)}
	}
	result := difference{passed: true}
	bound := limit(reference, allowed)
	count, _ := reference.count()
	for index := range count {
		size := elementError(actual, reference, index)
		result.worst = max(result.worst, size)
		if bound > 0 && size > bound || bound == 0 && !sameElement(actual, reference, index) {
			result.passed = false
		}
	}
	result.flips, result.nearTies = compareDecisions(actual, reference, decision, bound)
	return result
}

// limit returns how far a value may lie from the reference, one number for the whole tensor: the rounding
// error of a sum grows with its terms, and those may be large where the result is small.
func limit(reference *Tensor, allowed tolerance) float64 {
	bounds := digObject(table("tolerances.json"), "words", "close", "bounds", string(reference.dtype))
	if allowed.word == "exact" || bounds == nil {
		return allowed.slack
	}
	largest := 0.0
	count, _ := reference.count()
	for index := range count {
		if value := math.Abs(element(reference, index)); !math.IsNaN(value) && !math.IsInf(value, 0) {
			largest = max(largest, value)
		}
	}
	absolute, _ := bounds["atol"].(float64)
	relative, _ := bounds["rtol"].(float64)
	return allowed.slack + (absolute + relative*largest)
}

// elementError returns |actual - reference|: 0 for equals and for NaN beside NaN, infinite where a NaN, an
// infinity, a bool or a string disagrees.
func elementError(actual, reference *Tensor, index int) float64 {
	if equalElement(actual, reference, index) {
		return 0
	}
	if reference.dtype == String || reference.dtype == Bool {
		return math.Inf(1)
	}
	a, b := element(actual, index), element(reference, index)
	if math.IsNaN(a) && math.IsNaN(b) {
		return 0
	}
	if size := math.Abs(a - b); !math.IsNaN(size) {
		return size
	}
	return math.Inf(1)
}

// equalElement compares values: -0 equals 0, and NaN equals nothing.
func equalElement(actual, reference *Tensor, index int) bool {
	if isFloat(reference.dtype) {
		return element(actual, index) == element(reference, index)
	}
	return sameBits(actual, reference, index)
}

// sameElement compares bits, the payloads of NaN aside.
func sameElement(actual, reference *Tensor, index int) bool {
	if isFloat(reference.dtype) && math.IsNaN(element(actual, index)) && math.IsNaN(element(reference, index)) {
		return true
	}
	return sameBits(actual, reference, index)
}

func sameBits(actual, reference *Tensor, index int) bool {
	if reference.dtype == String {
		return actual.strings[index] == reference.strings[index]
	}
	size := dtypes[reference.dtype].size
	return bytes.Equal(actual.data[index*size:(index+1)*size], reference.data[index*size:(index+1)*size])
}

// element returns an element as a number; 0 for strings.
func element(t *Tensor, index int) float64 {
	size := dtypes[t.dtype].size
	raw := t.data[min(index*size, len(t.data)):]
	switch t.dtype {
	case Bool, Uint8:
		return float64(raw[0])
	case Int8:
		return float64(int8(raw[0]))
	case Int16:
		return float64(int16(binary.NativeEndian.Uint16(raw)))
	case Uint16:
		return float64(binary.NativeEndian.Uint16(raw))
	case Int32:
		return float64(int32(binary.NativeEndian.Uint32(raw)))
	case Uint32:
		return float64(binary.NativeEndian.Uint32(raw))
	case Int64:
		return float64(int64(binary.NativeEndian.Uint64(raw)))
	case Uint64:
		return float64(binary.NativeEndian.Uint64(raw))
	case Float16:
		return halfValue(binary.NativeEndian.Uint16(raw))
	case Float32:
		return float64(math.Float32frombits(binary.NativeEndian.Uint32(raw)))
	case Float64:
		return math.Float64frombits(binary.NativeEndian.Uint64(raw))
	}
	return 0
}

// halfValue returns the value of an IEEE half.
func halfValue(bits uint16) float64 {
	const fractionBits, exponentMask, bias = 10, 0x1f, 15
	exponent := int(bits>>fractionBits) & exponentMask
	fraction := float64(bits & (1<<fractionBits - 1))
	value := math.Ldexp(fraction, 1-bias-fractionBits)
	switch {
	case exponent == exponentMask && fraction == 0:
		value = math.Inf(1)
	case exponent == exponentMask:
		return math.NaN()
	case exponent > 0:
		value = math.Ldexp(fraction+1<<fractionBits, exponent-bias-fractionBits)
	}
	if bits>>15 == 1 {
		return -value
	}
	return value
}
