package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strconv"

	"example.com/edgebundle/go/predictor"
)

const bitsPerByte = 8

// appendCell appends the bytes of one cell of a nested list.
func appendCell(memory []byte, cell any, dtype predictor.DType) ([]byte, error) {
	size := sizes[dtype]
	switch dtype {
	case predictor.Bool:
		flag, is := cell.(bool)
		if !is {
			return nil, errors.New("an element that is neither true nor false")
		}
		return append(memory, map[bool]byte{true: 1}[flag]), nil
	case predictor.Float16, predictor.Float32, predictor.Float64:
		return appendFloat(memory, cell, dtype)
	}
	number, is := cell.(json.Number)
	if !is {
		return nil, errors.New("an element that is no integer")
	}
	var bits uint64
	var err error
	if dtype == predictor.Uint8 || dtype == predictor.Uint16 || dtype == predictor.Uint32 || dtype == predictor.Uint64 {
		bits, err = strconv.ParseUint(number.String(), 10, size*bitsPerByte)
	} else {
		var value int64
		value, err = strconv.ParseInt(number.String(), 10, size*bitsPerByte)
		bits = uint64(value)
	}
	return binary.LittleEndian.AppendUint64(memory, bits)[:len(memory)+size], err
}

func appendFloat(memory []byte, cell any, dtype predictor.DType) ([]byte, error) {
	var value float64
	switch cell := cell.(type) {
	case json.Number:
		// Beyond the largest float lies infinity, which the predictor judges.
		value, _ = strconv.ParseFloat(cell.String(), 64)
	case string:
		other, known := special[cell]
		if !known {
			return nil, errors.New("an element that is no number")
		}
		value = other
	default:
		return nil, errors.New("an element that is no number")
	}
	switch dtype {
	case predictor.Float16:
		return binary.LittleEndian.AppendUint16(memory, halfBits(value)), nil
	case predictor.Float32:
		return binary.LittleEndian.AppendUint32(memory, math.Float32bits(float32(value))), nil
	}
	return binary.LittleEndian.AppendUint64(memory, math.Float64bits(value)), nil
}

// halfBits rounds a number to the nearest IEEE half, ties to even.
func halfBits(value float64) uint16 {
	const infinity, quiet, smallest, largest = 0x7c00, 0x7e00, -14, 65520
	sign := uint16(math.Float64bits(value) >> 63 << 15)
	size := math.Abs(value)
	switch {
	case math.IsNaN(value):
		return sign | quiet
	case size >= largest:
		return sign | infinity
	case size == 0:
		return sign
	}
	_, exponent := math.Frexp(size)
	exponent = max(exponent-1, smallest)
	// The fraction in steps of the last bit; a carry flows into the exponent by itself.
	steps := math.RoundToEven(math.Ldexp(size, 10-exponent))
	return sign | uint16(int(steps)+(exponent-smallest)<<10)
}

// cellsOf returns the elements of a tensor as cells of nested lists.
func cellsOf(tensor predictor.Tensor) []any {
	switch tensor.DType() {
	case predictor.String:
		return cells(tensor.Strings(), true, func(text string) any { return text })
	case predictor.Bool:
		return values(tensor, func(flag bool) any { return flag })
	case predictor.Float16:
		return values(tensor, func(bits uint16) any { return halfCell(bits) })
	case predictor.Float32:
		return values(tensor, func(value float32) any { return floatCell(float64(value), 32) })
	case predictor.Float64:
		return values(tensor, func(value float64) any { return floatCell(value, 64) })
	case predictor.Int8:
		return values(tensor, func(value int8) any { return value })
	case predictor.Int16:
		return values(tensor, func(value int16) any { return value })
	case predictor.Int32:
		return values(tensor, func(value int32) any { return value })
	case predictor.Int64:
		return values(tensor, func(value int64) any { return value })
	case predictor.Uint8:
		return values(tensor, func(value uint8) any { return value })
	case predictor.Uint16:
		return values(tensor, func(value uint16) any { return value })
	case predictor.Uint32:
		return values(tensor, func(value uint32) any { return value })
	}
	return values(tensor, func(value uint64) any { return value })
}

func values[T predictor.Element](tensor predictor.Tensor, cell func(T) any) []any {
	content, ok := predictor.Values[T](tensor)
	return cells(content, ok, cell)
}

func cells[T any](content []T, ok bool, cell func(T) any) []any {
	list := make([]any, 0, len(content))
	for _, value := range content {
		if ok {
			list = append(list, cell(value))
		}
	}
	return list
}

// halfCell returns a half with the fewest digits that give its bits back.
func halfCell(bits uint16) any {
	const exponentMask, fractionMask, fractionBits, bias = 0x1f, 0x3ff, 10, 15
	exponent, fraction := int(bits>>fractionBits)&exponentMask, float64(bits&fractionMask)
	value := math.Ldexp(fraction, 1-bias-fractionBits)
	switch {
	case exponent == exponentMask && fraction == 0:
		value = math.Inf(1)
	case exponent == exponentMask:
		value = math.NaN()
	case exponent > 0:
		value = math.Ldexp(fraction+fractionMask+1, exponent-bias-fractionBits)
	}
	if bits>>15 == 1 {
		value = -value
	}
	for digits := 1; !math.IsNaN(value) && !math.IsInf(value, 0); digits++ {
		text := strconv.FormatFloat(value, 'g', digits, 64)
		if short, err := strconv.ParseFloat(text, 64); err == nil && halfBits(short) == bits {
			return json.Number(text)
		}
	}
	return floatCell(value, 64)
}
